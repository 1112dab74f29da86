"""Measured projections: files of counts or line integrals with a geometry beside them.

Which files hold them can be asked (`suffixes`) without the numpy and torch that reading one needs.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .read import MeasuredProjections, read_projections

__all__ = ["MeasuredProjections", "read_projections"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import read

        return getattr(read, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
