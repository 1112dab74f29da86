"""The way to SimpleITK: imported late, because it is heavy, and without types, because it has hardly any."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any


def toolkit() -> Any:
    """The SimpleITK module."""
    return import_module("SimpleITK")


def open_header(path: Path, image_io: str = "") -> Any:
    """A reader that knows the header of `path` and has not touched its voxels.

    Raises:
        ValueError: the header cannot be read.
    """
    reader = toolkit().ImageFileReader()
    if image_io:
        reader.SetImageIO(image_io)
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise ValueError(f"{path.name}: cannot be read: {one_line(error)}") from None
    return reader


def one_line(error: Exception) -> str:
    """The last line of a library's message, which is where ITK says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
