"""Where a finished prior goes, and what is looked at before the training so that it can go there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ..core.atomic import TEMPORARY, publish_folder
from ..priors.packs.pack import METADATA_FILE, find_packs, locate_pack, read_info, write_pack
from ..priors.prior import PriorInfo
from .biography import UNNAMED, replaced_name
from .checkpoint import has_checkpoint


def check_name(said: str, out: Path, init: object) -> None:
    """Refuse a name that an installed pack has got by chance: neither said, nor that of the pack to be trained on.

    Args:
        said: the name that was asked for, or empty: then the pack is called like its folder.
        out: its folder.
        init: the pack that it starts from, or nothing.

    Raises:
        ValueError: it is installed, or no pack can have that name.
    """
    name = said or out.name
    replaced_name(UNNAMED, name)
    installed = find_packs()
    if said or name not in installed:
        return
    own = read_info(installed[name])
    if init and read_info(locate_pack(str(init))).name == own.name:
        return
    raise ValueError(f"name: a prior {name} is installed already: say another --name, or start from that one (--init)")


def check_target(out: Path, work: Path, resume: bool) -> None:
    """Refuse a target that is something else, or a working folder that holds another training.

    Raises:
        ValueError: nothing of what is there may be lost.
        OSError: the folders cannot be written to.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"out: {out} is a file")
    if out.is_dir() and any(out.iterdir()) and not (resume and (out / METADATA_FILE).is_file()):
        raise ValueError(f"out: {out} is not empty: choose another folder, or remove it")
    if not resume and has_checkpoint(work):
        raise ValueError(f"work: {work} holds a training: go on with --resume, choose another --work, or remove it")
    above = next(folder for folder in (out.parent, *out.parent.parents) if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise OSError(f"out: {above} cannot be written to")


def deliver(out: Path, info: PriorInfo, state: Mapping[str, Tensor]) -> None:
    """Write the pack whole, in place of an earlier one.

    Raises:
        OSError: it cannot be written; an earlier one stays.
    """
    temporary = out.with_name(f"{out.name}{TEMPORARY}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        write_pack(temporary, info, state)
        publish_folder(temporary, out)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
