"""The checkpoint of a training: two generations on disk, so that a crash at any moment leaves one whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

FILE, PREVIOUS = "checkpoint.pt", "checkpoint-previous.pt"
FIELDS = ("network", "optimiser", "average", "step", "elapsed", "generator")


def save_checkpoint(folder: Path, content: dict[str, Any]) -> None:
    """Write the checkpoint beside the old one, which becomes the previous one.

    Raises:
        OSError: it cannot be written; the old ones stay.
    """
    path, temporary = folder / FILE, folder / "checkpoint.tmp"
    try:
        with temporary.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        raise OSError(f"{path}: the checkpoint cannot be written: {error}") from None
    if path.exists():
        path.replace(folder / PREVIOUS)
    temporary.replace(path)


def has_checkpoint(folder: Path) -> bool:
    """Whether there is anything to go on from."""
    return any((folder / name).is_file() for name in (FILE, PREVIOUS))


def load_checkpoint(folder: Path) -> tuple[dict[str, Any], str]:
    """The newest whole checkpoint, and a remark if it is not the newest file.

    Raises:
        FileNotFoundError: there is none.
        ValueError: those there are damaged.
    """
    found = [folder / name for name in (FILE, PREVIOUS) if (folder / name).is_file()]
    if not found:
        raise FileNotFoundError(f"resume: {folder} holds no {FILE}")
    damaged = ""
    for path in found:
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            if not isinstance(content, dict) or set(FIELDS) - set(content):
                raise ValueError("not a checkpoint of a training")
        except Exception as error:  # torch raises what the damaged byte leads to
            reason = (str(error).splitlines() or ["it cannot be read"])[0][:80]
            damaged = damaged or f"{path} is damaged ({reason})"
            continue
        return content, f"{damaged}: going on from the one before" if damaged else ""
    raise ValueError(f"resume: {damaged}")
