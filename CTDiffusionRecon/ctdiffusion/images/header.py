"""Names of image files, and which file holds the voxels."""

from __future__ import annotations

from pathlib import Path

from ..core.regularfile import open_regular

# Deflate cannot shrink anything by more than about 1032 to 1, so a header that promises more is wrong.
DEFLATE_LIMIT = 1100
HEADER_BYTES = 1 << 20
NIFTI_SUFFIXES = (".nii", ".nii.gz", ".hdr", ".img", ".img.gz")
NRRD_SUFFIXES = (".nrrd", ".nhdr")
META_SUFFIXES = (".mha", ".mhd")


def image_suffix(path: Path) -> str:
    """The suffix in lower case, both parts of a doubled one such as .nii.gz."""
    name = path.name.lower()
    for double in (".nii.gz", ".img.gz"):
        if name.endswith(double):
            return double
    return path.suffix.lower()


def data_file(path: Path) -> Path:
    """The file that holds the voxels: `path` itself, the detached one that its header names, or a NIfTI pair's second.

    Raises:
        ValueError: the detached file is a list, is missing, or lies outside the header's folder.
    """
    suffix = image_suffix(path)
    if suffix == ".hdr":
        voxels = [real.with_suffix(end) for real in (path, path.resolve()) for end in (".img", ".img.gz")]
        there = [file for file in voxels if file.is_file()]
        if not there:
            raise ValueError(f"{path.name}: its data file {path.stem}.img is missing")
        return there[0]
    if suffix in NRRD_SUFFIXES:
        named = _header_value(path, ("data file", "datafile"), ":")
    elif suffix in META_SUFFIXES:
        named = _header_value(path, ("elementdatafile",), "=")
    else:
        return path
    if named is None or named.upper() == "LOCAL":
        return path
    if named.upper().startswith("LIST") or "%" in named:
        raise ValueError(f"{path.name}: its voxels are spread over a list of files; save it as one file")
    try:
        return _beside(path, named)
    except OSError as error:
        raise ValueError(f"{path.name}: its data file {named[:80]!r} cannot be found: {error.strerror}") from None


def _beside(path: Path, named: str) -> Path:
    """A detached file in the folder of the header that was named, or of the one that a link there leads to."""
    folders = dict.fromkeys((path.parent.resolve(), path.resolve().parent))
    if "\0" in named:
        raise ValueError(f"{path.name}: its header names no file ({named[:80]!r})")
    for folder in folders:
        target = (folder / named).resolve()
        if target.parent != folder and folder not in target.parents:
            raise ValueError(f"{path.name}: its header points to data outside its own folder ({named!r}); not followed")
        if target.is_file():
            return target
    raise ValueError(f"{path.name}: its data file {named!r} is missing")


def _header_value(path: Path, names: tuple[str, ...], separator: str) -> str | None:
    with open_regular(path) as stream:
        head = stream.read(HEADER_BYTES)
    for line in head.split(b"\n"):
        text = line.decode("latin-1").strip("\r")
        if separator == ":" and not text:
            return None
        key, found, value = text.partition(separator)
        if found and key.strip().lower() in names:
            return value.strip()
    return None
