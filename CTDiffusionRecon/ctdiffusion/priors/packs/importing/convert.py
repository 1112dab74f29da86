"""From a checkpoint to a prior pack: run the throw-away process, add what the preset knows, try it, publish it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from ....core.atomic import TEMPORARY, publish_folder
from ....core.folders import package_folder
from ....core.strictjson import read_object
from ....core.units import HUWindow
from ...prior import PriorInfo
from ...vp import VPDenoiser
from ..folders import check_name, user_folder
from ..pack import LARGEST_WEIGHTS, WEIGHTS_FILE, find_packs, sha256_of, write_info
from ..trial import Trial, try_out
from . import child, diffusers
from .converted import NotThisNetwork, Settings
from .layouts import LAYOUTS
from .presets import Preset, preset_named

TIME_LIMIT_S = 900
# score_sde's checkpoints hold the weights four times (raw, averaged, two moments of the optimiser).
LARGEST_SOURCE = 4 * LARGEST_WEIGHTS
_WORKSHOP = ".import-"
_STALE_S = 86_400.0


@dataclass(frozen=True)
class ImportOptions:
    """What a checkpoint does not tell; whatever is left out comes from the preset.

    Attributes:
        layout: name of the layout, empty to recognise it.
        preset: name of the published configuration, empty for the likeliest.
        name: name of the pack, empty for the preset's.
        modality: CT or MR.
        domain: image or sinogram.
        window: HU interval that the network sees as [0, 1].
        spacing: pixel sizes in mm that it was trained on.
        image_size: side in pixels of the training images.
        head_channels: feature channels of an attention head.
        licence: licence of the weights.
    """

    layout: str = ""
    preset: str = ""
    name: str = ""
    modality: str = ""
    domain: str = ""
    window: tuple[float, float] | None = None
    spacing: tuple[float, float] | None = None
    image_size: int = 0
    head_channels: int = 0
    licence: str = ""

    def __post_init__(self) -> None:
        if self.layout and self.layout not in LAYOUTS:
            raise ValueError(f"layout: must be one of {', '.join(LAYOUTS)}, got {self.layout!r}")
        if self.name:
            check_name(self.name)
        if self.window is not None:
            HUWindow(*self.window)
        if self.spacing is not None and not 0.0 < self.spacing[0] <= self.spacing[1] < 1000.0:
            raise ValueError(f"spacing: two increasing pixel sizes in mm, got {self.spacing[0]}, {self.spacing[1]}")
        if not 0 <= self.image_size <= 65_536 or not 0 <= self.head_channels <= 65_536:
            raise ValueError(f"image_size, head_channels: got {self.image_size}, {self.head_channels}")


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
        ValueError: not a checkpoint of a known layout, too large, or a pack of that name exists.
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
        result = _run_child(source, Path(workshop), Settings(options.layout, options.head_channels), size, time_limit_s)
        preset = preset_named(options.preset or str(result["preset"]), str(result["layout"]))
        name = options.name or preset.name
        if name in find_packs() or (store / name).exists():
            raise ValueError(f"name: a pack named {name} is there already; choose another with --name, or remove it")
        info = _describe(name, result, preset, options, source)
        os.replace(Path(workshop) / WEIGHTS_FILE, pack / WEIGHTS_FILE)
        (pack / WEIGHTS_FILE).chmod(0o644)
        info = _sealed(pack, info, weights)
        # Loads the pack as every method will.
        trial = try_out(pack)
        publish_folder(pack, store / name)
    return Imported(info, store / name, tuple(info.origin["assumed"]), trial)


def _weights_file(source: Path) -> Path:
    if source.is_dir():
        return diffusers.network_folder(source) / diffusers.WEIGHTS_FILE
    if not source.is_file():
        raise ValueError(f"{source}: no such file")
    return source


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
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=environment,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ValueError(f"{source}: converting it took more than {seconds:g} s and was stopped") from None
        if not (target / child.RESULT_FILE).is_file():
            stderr.seek(max(0, stderr.tell() - 4000))
            lines = stderr.read().decode("utf-8", "replace").strip().splitlines()
            why = f": {lines[-1][:300]}" if lines else ""
            raise ValueError(f"{source}: the converting process ended with code {done.returncode}{why}")
    result = read_object(target / child.RESULT_FILE)
    if differences := result.get("differences"):
        raise NotThisNetwork([str(text) for text in differences])
    if "error" in result:
        raise ValueError(f"{source}: {result['error']}")
    return result


def _describe(
    name: str, result: Mapping[str, Any], preset: Preset, options: ImportOptions, source: Path
) -> PriorInfo:
    """The metadata of the pack, but for the hashes."""
    parametrisation = {**result["parametrisation"], **preset.parametrisation}
    network = dict(result["network"])
    channels = int(network["channels"]) if "channels" in network else int(network["config"]["in_channels"])
    given = {"window": options.window, "spacing": options.spacing}
    assumed = [*result["assumed"], *(text for text in preset.assumed if not _said(text, given))]
    if preset.network and any(network.get(key) != value for key, value in preset.network.items()):
        assumed.insert(0, f"that what is known of {preset.name} holds for this network, which has another size")
    return PriorInfo(
        name=name,
        version="1",
        modality=options.modality or preset.modality,
        domain=options.domain or preset.domain,
        network=network,
        parametrisation=parametrisation,
        channels=channels,
        window=options.window or preset.window,
        sigma_range=_sigma_range(parametrisation, result["sigma_range"]),
        spacing_range=options.spacing or preset.spacing_range,
        labels=preset.labels if channels > 1 else (0,),
        crop=options.image_size or preset.crop,
        body_parts=preset.body_parts,
        training_data=preset.training_data,
        licence=options.licence or preset.licence,
        attribution=f"Weights by the authors of {preset.source}, converted from their file.",
        scan=preset.scan,
        origin={
            "file": source.name,
            "layout": result["layout"],
            "preset": preset.name,
            "weights": result["weights"],
            "licence_note": options.licence or preset.licence,
            "assumed": assumed,
        },
    )


def _sigma_range(parametrisation: Mapping[str, Any], stored: list[float] | None) -> tuple[float, float]:
    if parametrisation["kind"] == "vp":
        arguments = {key: value for key, value in parametrisation.items() if key != "kind"}
        try:
            return VPDenoiser(nn.Identity(), **arguments).sigma_range()
        except (TypeError, ValueError) as error:
            raise ValueError(f"noise schedule: {error}") from None
    # Restoring networks have no noise levels.
    low, high = stored or (0.0, 0.0)
    return float(low), float(high)


def _said(assumption: str, given: Mapping[str, object]) -> bool:
    """Whether the user gave the value that a preset would assume."""
    return any(f"--{name} " in assumption and value is not None for name, value in given.items())


def _sealed(pack: Path, info: PriorInfo, weights: Path) -> PriorInfo:
    origin = {**info.origin, "source_sha256": sha256_of(weights)}
    info = replace(info, origin=origin, weights_sha256=sha256_of(pack / WEIGHTS_FILE))
    write_info(pack, info)
    return info
