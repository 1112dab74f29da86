"""From folders of CT volumes, or ready caches, to a prior pack with its report card (`ctdiffusion train`)."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ..core.atomic import write_bytes
from ..priors.packs.pack import build_network, in_half_precision, load_state, locate_pack, read_info
from ..priors.prior import PriorInfo
from . import processes
from .biography import Stated, asked, biography, inheriting
from .cache import INDEX_FILE
from .checkpoint import has_checkpoint
from .delivery import check_name, check_target, deliver
from .loop import LoopSettings, train
from .png import montage, write_png
from .progress import Teller
from .recipes import recipe_named
from .recipes.recipe import Recipe
from .runrecord import recorded, write_record
from .sources import check_folders, images_in, volumes_of, written
from .split import Split, split
from .stopping import Stopped
from .verdict import verdict


def main(arguments: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        ValueError: arguments or data that cannot be used; the text names them.
    """
    recipe = recipe_named(arguments.recipe)
    teller = Teller()
    if arguments.prepare is not None:
        return _prepare(arguments, recipe, teller)
    work = _work(arguments)
    options = _options(arguments, work)
    settings = _settings(recipe, options)
    if not options["data"]:
        raise ValueError("data: folders of volumes, or caches, are wanted")
    for field in ("data", "val"):
        check_folders(_folders(options, field), field)
    out = Path(str(options["out"]))
    stated = _stated(options)
    check_name(stated.name, out, options["init"])
    if processes.rank() == 0:
        check_target(out, work, arguments.resume)
        if sys.stdin.isatty() and sys.stdout.isatty() and not arguments.resume:
            stated = asked(stated, out.name)
            check_name(stated.name, out, options["init"])
    start, state = _pack(options["init"]) if options["init"] else (None, {})

    with processes.first_alone():
        parts = _parts(recipe, options, work, teller)
        if processes.rank() == 0:
            write_record(work, {**options, **_said(stated), "batch": settings.batch, "seed": settings.seed})
            write_bytes(work / "split.json", (json.dumps(_names(parts), indent=1) + "\n").encode())
    about = biography(stated, out.name, len(parts.training), parts.patients)
    if processes.rank() == 0:
        teller.say(
            f"{len(parts.training)} volumes of {parts.patients} patients to train on; "
            f"held out: {', '.join(parts.held_out) or 'nobody'}; "
            f"judged by: {', '.join(entry.name for entry, _ in parts.validation)}"
        )

    torch.manual_seed(settings.seed)
    network = build_network(recipe.network, f"recipe {recipe.name}")
    if start is not None:
        # Half a schedule is over for weights that are already trained: a smaller step keeps what they know.
        network.load_state_dict(recipe.task.initial(recipe, start, state))
        settings = replace(settings, learning_rate=0.4 * settings.learning_rate)
        if start.network == recipe.network:
            # Trained on by its own recipe: what the second step waits for has been learnt.
            settings = replace(settings, second_from=0.0)
    with processes.first_alone():
        lesson = recipe.task.lesson(recipe, parts.training, work, settings.seed, _augment(options["augment"]))
    look, judge = partial(_pictured, recipe, parts, work), partial(_judged, recipe, parts)
    loop = partial(train, network, lesson.dataset, lesson.loss, settings, work, arguments.resume, teller.progress)
    try:
        weights = loop(lesson.second, look, judge if parts.own_judges else None)
    except Stopped as stopped:
        if processes.rank() == 0:
            teller.say(f"stopped after step {stopped.step}; the same command with --resume goes on from there")
        raise
    if processes.rank() > 0:
        return 0
    # The report card is that of the weights as they are stored.
    weights = in_half_precision(weights)
    network.cpu().load_state_dict(weights)
    info = recipe.task.info(recipe, about)
    if start is not None:
        info = inheriting(info, start)
    teller.say("judging it by volumes that it was not trained on")
    quality = recipe.task.card(recipe, network, parts.validation)
    quality |= {"validation": [entry.name for entry, _ in parts.validation], "held_out_patients": list(parts.held_out)}
    quality["verdict"] = verdict(quality)
    look(weights)
    deliver(out, replace(info, quality=quality), weights)
    for name, values in quality.items():
        if isinstance(values, dict) and name != "denoising_rmse":
            teller.say(f"{name}: " + ", ".join(f"{key}: {value}" for key, value in values.items()))
    teller.say(f"prior pack {info.name} version {info.version} written to {out}; pictures in {work / 'samples.png'}")
    teller.say(f"verdict: {quality['verdict']}")
    return 0


def _work(arguments: argparse.Namespace) -> Path:
    if arguments.out is None:
        raise ValueError("out: a folder for the prior pack is wanted")
    work: Path = arguments.work or arguments.out.with_name(arguments.out.name + ".training")
    if arguments.resume and not has_checkpoint(work):
        raise ValueError(f"resume: {work} holds no checkpoint.pt")
    return work


def _options(arguments: argparse.Namespace, work: Path) -> dict[str, object]:
    """What decides about the training, paths absolute; of a resumed one also what it was started with."""
    left_out = ("command", "resume", "work", "prepare", "hu_step")
    options = {name: value for name, value in vars(arguments).items() if name not in left_out}
    for name in ("data", "val"):
        options[name] = [str(Path(folder).resolve()) for folder in options[name] or []]
    options["out"] = str(arguments.out.resolve())
    return recorded(work, options) if arguments.resume else options


def _settings(recipe: Recipe, options: Mapping[str, object]) -> LoopSettings:
    names = ("minutes", "steps", "batch", "workers", "seed")
    given = {name: options[name] for name in names if options[name] is not None}
    for name, value in given.items():
        assert isinstance(value, (int, float))
        # Also what is not a number at all.
        if not 0 <= value < float("inf") or (name in ("steps", "batch") and value == 0):
            raise ValueError(f"{name}: must be positive, got {value}")
    return replace(recipe.settings, **given)  # type: ignore[arg-type]


def _stated(options: Mapping[str, object]) -> Stated:
    def texts(name: str) -> tuple[str, ...]:
        value = options[name] or ()
        return tuple(value) if isinstance(value, (list, tuple)) else ()

    return Stated(
        str(options["name"] or ""),
        texts("data_name"),
        str(options["licence"] or ""),
        str(options["attribution"] or ""),
        texts("body_parts"),
    )


def _said(stated: Stated) -> dict[str, object]:
    return {
        "name": stated.name,
        "data_name": stated.training_data,
        "licence": stated.licence,
        "attribution": stated.attribution,
        "body_parts": stated.body_parts,
    }


def _parts(recipe: Recipe, options: Mapping[str, object], work: Path, teller: Teller) -> Split:
    volumes = volumes_of(_folders(options, "data"), work / "cache", recipe.modality, teller.progress)
    val = _folders(options, "val")
    validation = volumes_of(val, work / "val-cache", recipe.modality, teller.progress, "val") if val else []
    hold_out = options["hold_out"]
    named = list(hold_out) if isinstance(hold_out, (list, tuple)) else []
    return split(volumes, validation, named, recipe.held_out, recipe.name)


def _folders(options: Mapping[str, object], name: str) -> list[Path]:
    value = options[name]
    return [Path(str(folder)) for folder in value] if isinstance(value, (list, tuple)) else []


def _names(parts: Split) -> dict[str, list[str]]:
    """Who is on which side, for `split.json`."""
    return {
        "training": [entry.name for entry, _ in parts.training],
        "validation": [entry.name for entry, _ in parts.validation],
        "held_out_patients": list(parts.held_out),
    }


def _prepare(arguments: argparse.Namespace, recipe: Recipe, teller: Teller) -> int:
    folder: Path = arguments.prepare
    if (folder / INDEX_FILE).is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ValueError(f"prepare: {folder} is not empty")
    if arguments.hu_step < 0:
        raise ValueError(f"hu-step: must be positive, or 0 to choose by the noise, got {arguments.hu_step}")
    data = list(arguments.data or [])
    check_folders(data, "data")
    if ready := [given for given in data if (given / INDEX_FILE).is_file()]:
        raise ValueError(f"data: {ready[0]} is a cache already; folders of images are wanted")
    written(images_in(data), folder, recipe.modality, arguments.hu_step, teller.progress)
    size = sum(path.stat().st_size for path in folder.iterdir())
    teller.say(f"compact cache of {size / 1e6:.1f} MB written to {folder}")
    return 0


def _pictured(recipe: Recipe, parts: Split, work: Path, weights: Mapping[str, Tensor]) -> None:
    """Write `samples.png`; a picture that cannot be made ends no training."""
    try:
        rows = recipe.task.samples(recipe, _network(recipe, weights), parts.validation)
        if rows:
            write_png(work / "samples.png", montage(rows))
    except (OSError, ImportError, FloatingPointError) as error:
        print(f"no picture: {error}", flush=True)


def _judged(recipe: Recipe, parts: Split, weights: Mapping[str, Tensor]) -> float:
    """The error of a state on patients of the data that were held out: those of `--val` choose nothing."""
    return recipe.task.score(recipe, _network(recipe, weights), parts.own_judges)


def _network(recipe: Recipe, weights: Mapping[str, Tensor]) -> torch.nn.Module:
    network = build_network(recipe.network, f"recipe {recipe.name}")
    network.load_state_dict({name: value.cpu().float() for name, value in weights.items()})
    return network.eval()


def _pack(name: object) -> tuple[PriorInfo, dict[str, torch.Tensor]]:
    folder = locate_pack(str(name))
    info = read_info(folder)
    return info, load_state(folder, info)


def _augment(wanted: object) -> Callable[[torch.Tensor, int], torch.Tensor] | None:
    if not wanted:
        return None
    from .augmentation import anatomical

    return anatomical()
