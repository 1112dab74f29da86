"""The way to SimpleITK: imported late, because it is heavy, and without types, because it has hardly any."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any


def toolkit() -> Any:
    """The SimpleITK module, without its warnings, which print paths of C++ sources."""
    itk = import_module("SimpleITK")
    itk.ProcessObject.SetGlobalWarningDisplay(False)
    return itk


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


@contextmanager
def silenced() -> Iterator[None]:
    """Standard error closed to the codecs inside of the library, which print there what is raised here as one line."""
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:
        # No standard error: nothing to keep clean.
        yield
        return
    try:
        with open(os.devnull, "wb") as sink:
            os.dup2(sink.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def one_line(error: Exception) -> str:
    """The last line of a library's message, which is where ITK says what is wrong, without names of its objects."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    text = re.sub(r"^(sitk|itk)::ERROR:\s*|\w+\(0x[0-9a-f]+\):\s*", "", lines[-1])
    return "".join(c if c.isprintable() else " " for c in text)[:300]
