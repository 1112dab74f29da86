"""From a checkpoint to a prior pack: run the throw-away process, add what the preset knows, try it, publish it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from ....core.atomic import TEMPORARY, publish_folder
from ....core.folders import package_folder
from ....core.regularfile import check_regular, sha256_file
from ....core.strictjson import read_object
from ...prior import PriorInfo
from ..folders import user_folder
from ..pack import LARGEST_WEIGHTS, WEIGHTS_FILE, find_packs, write_info
from ..trial import Trial, try_out
from . import child, diffusers
from .converted import NotThisNetwork, Settings
from .describe import describe
from .options import ImportOptions
from .presets import preset_named

TIME_LIMIT_S = 900
# score_sde's checkpoints hold the weights four times (raw, averaged, two moments of the optimiser).
LARGEST_SOURCE = 4 * LARGEST_WEIGHTS
_WORKSHOP = ".import-"
_STALE_S = 86_400.0
_OPTION = re.compile(r"--[a-z-]+")
# Options that change nothing of what the network computes.
_NEUTRAL = {"--licence", "--modality", "--image-size", "--labels"}


@dataclass(frozen=True)
class Imported:
    """A pack that was made of a checkpoint: its metadata and folder, what had to be assumed, and how its trial went."""

    info: PriorInfo
    folder: Path
    assumed: tuple[str, ...]
    trial: Trial


def import_prior(source: Path, options: ImportOptions, time_limit_s: float = TIME_LIMIT_S) -> Imported:
    """Make a prior pack of a published checkpoint; it appears in the user's folder whole or not at all.

    Raises:
        NotThisNetwork: lists every tensor that is missing, unexpected or misshapen.
        ValueError: not a checkpoint of a known layout, too large, a pack of that name exists, or the network leaves
            test images no better than they were (unless `options.despite_trial`).
        OSError: the pack cannot be written.
    """
    weights = _weights_file(source)
    size = weights.stat().st_size
    if not 0 < size <= LARGEST_SOURCE:
        raise ValueError(f"{weights}: {size} bytes; a checkpoint has up to {LARGEST_SOURCE}")
    store = user_folder()
    store.mkdir(parents=True, exist_ok=True)
    _sweep(store)
    with tempfile.TemporaryDirectory(prefix=_WORKSHOP, suffix=TEMPORARY, dir=store) as workshop:
        # One folder deeper than packs are looked for.
        pack = Path(workshop) / "pack"
        pack.mkdir()
        result = _run_child(source, Path(workshop), options.settings(), size, time_limit_s)
        preset = preset_named(options.preset or str(result["preset"]), str(result["layout"]))
        name = options.name or preset.name
        if name in find_packs() or (store / name).exists():
            raise ValueError(f"name: a pack named {name} is there already; choose another with --name, or remove it")
        info = describe(name, result, preset, options, source)
        os.replace(Path(workshop) / WEIGHTS_FILE, pack / WEIGHTS_FILE)
        (pack / WEIGHTS_FILE).chmod(0o644)
        info = _sealed(pack, info, weights)
        # Loads the pack as every method will.
        trial = try_out(pack)
        if not trial.improves and not options.despite_trial:
            raise ValueError(_useless(source, trial, info))
        publish_folder(pack, store / name)
    return Imported(info, store / name, tuple(info.origin["assumed"]), trial)


def _useless(source: Path, trial: Trial, info: PriorInfo) -> str:
    """Why a network is not taken, in one line."""
    share = f"{100.0 * max(trial.remaining.values()):.0f} % of the {trial.what} remain"
    options = sorted(set(_OPTION.findall(" ".join(info.origin["assumed"]))) - _NEUTRAL)
    return (
        f"{source}: {trial.verdict} ({share}): untrained weights, or something that was assumed is wrong "
        f"({', '.join(options)}); "
        "--despite-trial takes it anyway"
    )


def _weights_file(source: Path) -> Path:
    weights = diffusers.network_folder(source) / diffusers.WEIGHTS_FILE if source.is_dir() else source
    try:
        check_regular(weights)
    except FileNotFoundError:
        raise ValueError(f"{weights}: no such file") from None
    return weights


def _sweep(store: Path) -> None:
    """Remove what an import that was killed long ago left."""
    for path in store.glob(f"{_WORKSHOP}*{TEMPORARY}"):
        if path.is_dir() and not path.is_symlink() and time.time() - path.stat().st_mtime > _STALE_S:
            shutil.rmtree(path, ignore_errors=True)


def _run_child(source: Path, target: Path, settings: Settings, size: int, seconds: float) -> dict[str, Any]:
    """Convert in a process of its own; returns what it says about the checkpoint."""
    request = target / "request.json"
    values = {"source": str(source.resolve()), "target": str(target), "settings": asdict(settings)}
    request.write_text(json.dumps({**values, "bytes": size, "seconds": int(seconds)}), encoding="utf-8")
    root = str(package_folder().parent)
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", child.__name__, str(request)]
    with (target / "stderr.txt").open("w+b") as stderr:
        try:
            code = exit_code(command, environment, stderr, seconds)
        except subprocess.TimeoutExpired:
            raise ValueError(f"{source}: converting it took more than {seconds:g} s and was stopped") from None
        if not (target / child.RESULT_FILE).is_file():
            stderr.seek(max(0, stderr.tell() - 4000))
            lines = stderr.read().decode("utf-8", "replace").strip().splitlines()
            why = f": {lines[-1][:300]}" if lines else ""
            raise ValueError(f"{source}: the converting process ended with code {code}{why}")
    result = read_object(target / child.RESULT_FILE)
    if differences := result.get("differences"):
        raise NotThisNetwork([str(text) for text in differences])
    if "error" in result:
        raise ValueError(f"{source}: {result['error']}")
    return result


def exit_code(command: list[str], environment: dict[str, str], stderr: IO[bytes], seconds: float) -> int:
    """Run the throw-away process; it ends when this one does, since its standard input is then closed.

    Raises:
        TimeoutExpired: it took longer than `seconds`, and was killed.
    """
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=nowhere, stderr=stderr, env=environment) as process:
        try:
            return process.wait(seconds)
        finally:
            process.kill()


def _sealed(pack: Path, info: PriorInfo, weights: Path) -> PriorInfo:
    origin = {**info.origin, "source_sha256": sha256_file(weights)}
    info = replace(info, origin=origin, weights_sha256=sha256_file(pack / WEIGHTS_FILE))
    write_info(pack, info)
    return info
