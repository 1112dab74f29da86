"""The volumes that a training is given: ready caches, and folders of images through a cache of their own."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from .cache import INDEX_FILE, check_cache, read_cache, write_cache
from .task import Volumes

IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")


def _silent(text: str) -> None:
    return


def volumes_of(
    folders: Sequence[Path], cache: Path, modality: str, report: Callable[[str], None] = _silent, field: str = "data"
) -> Volumes:
    """The volumes of the caches among `folders`, and those of the images in the others, through the cache `cache`.

    Args:
        field: the option that named the folders.

    Raises:
        ValueError: no folder, no image, two volumes of one name, or a cache that was made from other images.
    """
    check_folders(folders, field)
    ready = [folder for folder in folders if (folder / INDEX_FILE).is_file()]
    volumes = [item for folder in ready for item in read_cache(folder)]
    if others := [folder for folder in folders if folder not in ready]:
        images = images_in(others, field)
        if (cache / INDEX_FILE).is_file():
            check_cache(cache, images, modality)
        else:
            written(images, cache, modality, report=report)
        volumes += read_cache(cache)
    names = Counter(entry.name for entry, _ in volumes)
    if twice := [name for name, count in names.items() if count > 1]:
        raise ValueError(f"{field}: two volumes are called {twice[0]}")
    if not volumes:
        raise ValueError(f"{field}: no volume in {', '.join(map(str, folders))}")
    return volumes


def check_folders(folders: Sequence[Path], field: str) -> None:
    """Refuse folders that are none.

    Raises:
        ValueError: names the first and the option.
    """
    if missing := [folder for folder in folders if not folder.is_dir()]:
        raise ValueError(f"{field}: no folder {missing[0]}")


def images_in(folders: Sequence[Path], field: str = "data") -> list[Path]:
    """The images in folders, in order.

    Raises:
        ValueError: there is none.
    """
    images = [p for folder in folders for p in sorted(folder.iterdir()) if p.name.endswith(IMAGE_SUFFIXES)]
    if not images:
        raise ValueError(f"{field}: no NIfTI, NRRD or MHA volume in {', '.join(map(str, folders))}")
    return images


def written(
    images: Sequence[Path],
    cache: Path,
    modality: str,
    step: int | None = None,
    report: Callable[[str], None] = _silent,
) -> None:
    """Write a cache, or leave nothing."""
    try:
        write_cache(images, cache, modality, step, report)
    except BaseException:
        shutil.rmtree(cache, ignore_errors=True)
        with suppress(OSError):
            cache.parent.rmdir()
        raise
