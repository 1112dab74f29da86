"""Diffusion-based CT reconstruction, in millimetres and Hounsfield units.

    import ctdiffusion as ct

    volume = ct.read_volume("chest.nii.gz")
    result = ct.reconstruct(volume, "dds", views=30, slices=(24, 40))     # simulates a fan-beam scan, reconstructs it
    result.volume, result.metrics, result.misfit
    ct.write_volume(result.volume, "dds.nrrd")

    results = ct.compare(volume, ["fbp", "tv", "dds"], views=30)           # one measurement, several methods
    result = ct.reconstruct(ct.read_projections("scan.h5"), "fbp")         # measured projections

Arrays are `[slice, row, column]`, projections `[slice, view, column]` (parallel, fan) or `[view, row, column]` (cone).
Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# name: module of this package that has it.
_HOMES = {
    "Volume": "images.volume",
    "compare": "interface",
    "import_prior": "interface",
    "load_prior": "interface",
    "read_projections": "acquisition.measured.read",
    "read_volume": "images.volume",
    "reconstruct": "interface",
    "simulate": "interface",
    "study": "interface",
    "superresolve": "interface",
    "train": "interface",
    "write_volume": "images.volume",
}
__all__ = [
    "Volume",
    "compare",
    "import_prior",
    "load_prior",
    "methods",
    "read_projections",
    "read_volume",
    "reconstruct",
    "simulate",
    "study",
    "superresolve",
    "train",
    "write_volume",
]

if TYPE_CHECKING:
    from . import methods
    from .acquisition.measured.read import read_projections
    from .images.volume import Volume, read_volume, write_volume
    from .interface import compare, import_prior, load_prior, reconstruct, simulate, study, superresolve, train


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "methods":
        # The room of the methods, which can be called.
        return import_module(".methods", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module 'ctdiffusion' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
