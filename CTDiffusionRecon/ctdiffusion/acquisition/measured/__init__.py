"""Measured projections: files of counts or line integrals with a geometry beside them."""

from .read import MeasuredProjections, read_projections

__all__ = ["MeasuredProjections", "read_projections"]
