"""`ctdiffusion train`: from a folder of CT volumes (or a ready cache) to a prior pack with its report card."""

from __future__ import annotations

import argparse
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch

from ..priors.packs.pack import build_network, in_half_precision, load_state, locate_pack, read_info, write_pack
from ..priors.prior import PriorInfo
from ..training import processes
from ..training.cache import INDEX_FILE, check_cache, held_out_patients, read_cache, write_cache
from ..training.loop import LoopSettings, train
from ..training.recipes import recipe_named, recipes
from ..training.recipes.recipe import Recipe
from ..training.task import Volumes

IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("recipe", help=f"one of: {', '.join(recipes())}")
    parser.add_argument("--data", required=True, nargs="+", type=Path, help="folders of CT volumes, or caches")
    parser.add_argument("--out", required=True, type=Path, help="folder of the prior pack to write")
    parser.add_argument("--val", type=Path, help="folder of volumes or cache for the report card (default: held out)")
    parser.add_argument("--work", type=Path, help="folder for cache, checkpoint and log (default: OUT.training)")
    parser.add_argument("--init", metavar="PACK", help="start from the weights of this prior pack")
    parser.add_argument("--minutes", type=float, help="end the schedule after this time (default: the recipe's)")
    parser.add_argument("--steps", type=int, help="optimiser steps at most (default: the recipe's)")
    parser.add_argument("--batch", type=int, help="crops per step and process (default: the recipe's)")
    parser.add_argument("--workers", type=int, help="loader processes (default: the recipe's)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--augment", action="store_true", help="small rotations and shears (needs MONAI)")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")


def main(arguments: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        ValueError: arguments or data that cannot be used; the text names them.
    """
    recipe = recipe_named(arguments.recipe)
    settings = _settings(recipe, arguments)
    work: Path = arguments.work or arguments.out.with_name(arguments.out.name + ".training")
    if arguments.resume and not (work / "checkpoint.pt").is_file():
        raise ValueError(f"resume: {work} holds no checkpoint.pt")
    with processes.first_alone():
        volumes = _volumes(arguments.data, work / "cache", recipe.modality)
    held_out = held_out_patients([entry for entry, _ in volumes], recipe.held_out)
    chosen = [item for item in volumes if item[0].patient not in held_out]
    if not chosen:
        raise ValueError("data: every patient is held out; more than one is needed")
    validation = [item for item in volumes if item[0].patient in held_out]
    if arguments.val:
        with processes.first_alone():
            validation = _volumes([arguments.val], work / "val-cache", recipe.modality)
    if not validation:
        raise ValueError(f"val: recipe {recipe.name} holds nobody out, so it needs volumes for the report card")
    print(f"{len(chosen)} volumes to train on; held out: {', '.join(sorted(held_out)) or 'nobody'}", flush=True)

    torch.manual_seed(settings.seed)
    network = build_network(recipe.network, f"recipe {recipe.name}")
    if arguments.init is not None:
        # Half a schedule is over for weights that are already trained: a smaller step keeps what they know.
        start, state = _pack(arguments.init)
        network.load_state_dict(recipe.task.initial(recipe, start, state))
        settings = replace(settings, learning_rate=0.4 * settings.learning_rate)
        if start.name == recipe.name:
            # Trained on by its own recipe: what the second step waits for has been learnt.
            settings = replace(settings, second_from=0.0)
    with processes.first_alone():
        lesson = recipe.task.lesson(recipe, chosen, work, settings.seed, _augment(arguments.augment))
    state = train(
        network,
        lesson.dataset,
        lesson.loss,
        settings,
        work,
        arguments.resume,
        lambda text: print(text, flush=True),
        lesson.second,
    )
    if processes.rank() > 0:
        return 0
    # The report card is that of the weights as they are stored.
    state = in_half_precision(state)
    network.cpu().load_state_dict(state)
    info = recipe.task.info(recipe)
    if arguments.init is not None:
        info = inheriting(info, start)
    quality = recipe.task.card(recipe, network, validation)
    quality["validation"] = [entry.name for entry, _ in validation]
    write_pack(arguments.out, replace(info, quality=quality), state)
    for name, values in quality.items():
        if isinstance(values, dict) and name != "denoising_rmse":
            print(f"{name}: " + ", ".join(f"{key}: {value}" for key, value in values.items()))
    print(f"prior pack written to {arguments.out}")
    return 0


def _settings(recipe: Recipe, arguments: argparse.Namespace) -> LoopSettings:
    names = ("minutes", "steps", "batch", "workers", "seed")
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    for name, value in given.items():
        if value < 0 or (name in ("steps", "batch") and value == 0):
            raise ValueError(f"{name}: must be positive, got {value}")
    return replace(recipe.settings, **given)


def inheriting(info: PriorInfo, start: PriorInfo) -> PriorInfo:
    """The metadata of weights that began as another pack's: its training data, licence and attribution stay theirs.

    A pack that is trained on under its own name becomes its next version.
    """
    if start.name == info.name:
        version = str(int(start.version) + 1) if start.version.isdigit() else start.version
        return replace(start, version=version, quality={}, scan={**start.scan, **info.scan})
    data = dict.fromkeys((*start.training_data, *info.training_data))
    licence = " and ".join(dict.fromkeys((start.licence, info.licence)))
    attribution = " ".join(dict.fromkeys((info.attribution, f"Started from {start.name}: {start.attribution}")))
    return replace(info, training_data=tuple(data), licence=licence, attribution=attribution)


def _pack(name: str) -> tuple[PriorInfo, dict[str, torch.Tensor]]:
    folder = locate_pack(name)
    info = read_info(folder)
    return info, load_state(folder, info)


def _volumes(folders: list[Path], cache: Path, modality: str) -> Volumes:
    """The volumes of the caches among `folders`, and those of the images in the others, through a cache of their own.

    Raises:
        ValueError: no folder, no image, two volumes of one name, or a cache that was made from other images.
    """
    if missing := [folder for folder in folders if not folder.is_dir()]:
        raise ValueError(f"data: no folder {missing[0]}")
    ready = [folder for folder in folders if (folder / INDEX_FILE).is_file()]
    volumes = [item for folder in ready for item in read_cache(folder)]
    if others := [folder for folder in folders if folder not in ready]:
        images = [p for folder in others for p in sorted(folder.iterdir()) if p.name.endswith(IMAGE_SUFFIXES)]
        if not images:
            raise ValueError(f"data: no NIfTI, NRRD or MHA volume in {', '.join(map(str, others))}")
        if (cache / INDEX_FILE).is_file():
            check_cache(cache, images, modality)
        else:
            _written(images, cache, modality)
        volumes += read_cache(cache)
    names = Counter(entry.name for entry, _ in volumes)
    if twice := [name for name, count in names.items() if count > 1]:
        raise ValueError(f"data: two volumes are called {twice[0]}")
    return volumes


def _written(images: list[Path], cache: Path, modality: str) -> None:
    """Write a cache, or leave nothing."""
    try:
        write_cache(images, cache, modality)
    except BaseException:
        shutil.rmtree(cache, ignore_errors=True)
        with suppress(OSError):
            cache.parent.rmdir()
        raise


def _augment(wanted: bool) -> Callable[[torch.Tensor, int], torch.Tensor] | None:
    if not wanted:
        return None
    from ..training.augmentation import anatomical

    return anatomical()
