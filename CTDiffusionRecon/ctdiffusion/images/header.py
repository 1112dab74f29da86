"""Checks of an image file's header against the file itself, before its voxels are read."""

from __future__ import annotations

import zlib
from pathlib import Path

# Deflate cannot shrink anything by more than about 1032 to 1, so a header that promises more is wrong.
DEFLATE_LIMIT = 1100
HEADER_BYTES = 65536
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
        there = [path.with_suffix(voxels) for voxels in (".img", ".img.gz") if path.with_suffix(voxels).is_file()]
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
    folder = path.parent.resolve()
    target = (folder / named).resolve()
    if target.parent != folder and folder not in target.parents:
        raise ValueError(f"{path.name}: its header points to data outside its own folder ({named!r}); not followed")
    if not target.is_file():
        raise ValueError(f"{path.name}: its data file {named!r} is missing")
    return target


def _header_value(path: Path, names: tuple[str, ...], separator: str) -> str | None:
    with path.open("rb") as stream:
        head = stream.read(HEADER_BYTES)
    for line in head.split(b"\n"):
        text = line.decode("latin-1").strip("\r")
        if separator == ":" and not text:
            return None
        key, found, value = text.partition(separator)
        if found and key.strip().lower() in names:
            return value.strip()
    return None


def is_compressed(path: Path) -> bool:
    """True where the voxels are stored deflated, bzipped or as text, so that the file's size does not tell theirs."""
    suffix = image_suffix(path)
    if suffix in NRRD_SUFFIXES:
        return (_header_value(path, ("encoding",), ":") or "raw").lower() != "raw"
    if suffix in META_SUFFIXES:
        binary = (_header_value(path, ("binarydata",), "=") or "true").lower() == "true"
        return not binary or (_header_value(path, ("compresseddata",), "=") or "false").lower() == "true"
    return data_file(path).name.endswith(".gz")


def check_size(path: Path, declared: int) -> None:
    """Hold the bytes of voxels that the header declares against the bytes that are there.

    Raises:
        ValueError: the file is too small for its header, or a gzip stream ends early.
    """
    source = data_file(path)
    there = source.stat().st_size
    if declared > there * (DEFLATE_LIMIT if is_compressed(path) else 1):
        raise ValueError(
            f"{path.name}: its header declares {declared:,} bytes of voxels but the file holds {there:,}: "
            "truncated, or the header is wrong"
        )
    # The NIfTI library fills what is missing with zeros without a word, so the stream is measured here.
    if image_suffix(source) in (".nii.gz", ".img.gz") and _inflated_size(source, declared) < declared:
        raise ValueError(f"{path.name}: the compressed data end early: the file is truncated or corrupt")


def _inflated_size(path: Path, enough: int) -> int:
    total = 0
    stream = zlib.decompressobj(wbits=31)
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 18):
                total += len(stream.decompress(block))
                while stream.eof and stream.unused_data and total < enough:
                    rest, stream = stream.unused_data, zlib.decompressobj(wbits=31)
                    total += len(stream.decompress(rest))
    except zlib.error:
        return 0
    return total if stream.eof else min(total, enough - 1)
