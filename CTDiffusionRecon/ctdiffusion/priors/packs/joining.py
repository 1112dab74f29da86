"""One sinogram prior of two: MSDiff's full-view and sparse-view models, which its authors train and publish apart."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from ...core.atomic import TEMPORARY, publish_folder
from ..prior import PriorInfo
from .folders import check_name, user_folder
from .pack import BY_LABEL, find_packs, load_pack, load_state, locate_pack, read_info, write_pack

# What two priors must have in common to be one.
SHARED = ("modality", "domain", "channels", "window", "parametrisation", "sigma_range", "spacing_range", "scan")


def join_packs(name: str, full: str, subset: str) -> Path:
    """Write a pack whose label 0 is one sinogram prior (all views) and whose label 1 is another (every sixth view).

    Args:
        name: of the new pack; it goes to the user's folder.
        full: name or folder of the pack of the full-view model.
        subset: name or folder of the pack of the sparse-view model.

    Returns:
        The folder of the pack.

    Raises:
        ValueError: a name that no pack can have or that one has, or two that do not belong together; the text says why.
        OSError: the pack cannot be written.
    """
    check_name(name)
    folders = [locate_pack(pack) for pack in (full, subset)]
    infos = [read_info(folder) for folder in folders]
    _check(infos)
    store = user_folder()
    if name in find_packs() or (store / name).exists():
        raise ValueError(f"name: a pack named {name} is there already; choose another, or remove it")
    first, second = infos
    info = replace(
        first,
        name=name,
        network={"class": BY_LABEL, "members": [one.network for one in infos]},
        labels=(0, 1),
        training_data=tuple(dict.fromkeys((*first.training_data, *second.training_data))),
        licence=" and ".join(dict.fromkeys((first.licence, second.licence))),
        attribution=" ".join(dict.fromkeys((first.attribution, second.attribution))),
        quality={},
        origin={"full": _origin(first), "subset": _origin(second)},
    )
    state = {
        f"members.{index}.{key}": value
        for index, (folder, one) in enumerate(zip(folders, infos, strict=True))
        for key, value in load_state(folder, one).items()
    }
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".join-", suffix=TEMPORARY, dir=store) as workshop:
        # One folder deeper than packs are looked for.
        pack = Path(workshop) / "pack"
        write_pack(pack, info, state)
        # Loads the pack as every method will.
        load_pack(pack)
        publish_folder(pack, store / name)
    return store / name


def _check(infos: list[PriorInfo]) -> None:
    for info in infos:
        if info.domain != "sinogram":
            raise ValueError(f"prior: {info.name} is a prior of {info.domain}s; two sinogram priors can be joined")
        if info.network.get("class") == BY_LABEL:
            raise ValueError(f"prior: {info.name} is joined already")
    first, second = infos
    differing = [field for field in SHARED if getattr(first, field) != getattr(second, field)]
    if differing:
        what = ", ".join(differing)
        raise ValueError(f"prior: {first.name} and {second.name} cannot be joined: they differ in {what}")


def _origin(info: PriorInfo) -> dict[str, object]:
    return {**info.origin, "name": info.name, "weights_sha256": info.weights_sha256}
