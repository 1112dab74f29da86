"""Measured projections: files of counts or line integrals with a geometry beside them."""
