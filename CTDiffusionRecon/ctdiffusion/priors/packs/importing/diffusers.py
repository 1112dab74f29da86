"""Folders that the package diffusers writes: `config.json` and safetensors of a UNet2DModel, alone or in a pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from ....core.strictjson import read_object
from ...choices import COSINE
from .choices import DIFFUSERS
from .converted import Converted, Settings, fit

OPTIONS: frozenset[str] = frozenset()
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "diffusion_pytorch_model.safetensors"
SCHEDULER_FILE = "scheduler_config.json"
# How the package calls it.
COSINE_HERE = "squaredcos_cap_v2"
# What the scheduler of a pipeline says.
TOLD = ("timesteps", "betas", "schedule", "prediction")


def network_folder(folder: Path) -> Path:
    """Where the network of a diffusers folder lies: the folder itself, or `unet` in a pipeline's.

    Raises:
        ValueError: there is none.
    """
    for candidate in (folder, folder / "unet"):
        if (candidate / CONFIG_FILE).is_file():
            if not (candidate / WEIGHTS_FILE).is_file():
                raise ValueError(f"{candidate} holds no {WEIGHTS_FILE}")
            return candidate
    raise ValueError(f"{folder} is no diffusers folder: it holds no {CONFIG_FILE}")


def convert(folder: Path, settings: Settings) -> Converted:
    """The network in a diffusers folder.

    Raises:
        ValueError: something is missing or does not fit, or the package diffusers is not installed.
    """
    from safetensors.torch import load_file

    place = network_folder(folder)
    config = read_object(place / CONFIG_FILE)
    if config.get("_class_name") != "UNet2DModel":
        raise ValueError(f"{place / CONFIG_FILE}: only UNet2DModel is read, not {config.get('_class_name')!r}")
    network = {"class": "DiffusersUNet", "config": {k: v for k, v in config.items() if not k.startswith("_")}}
    tensors: dict[str, Tensor] = {f"unet.{name}": v for name, v in load_file(str(place / WEIGHTS_FILE)).items()}
    parametrisation = _schedule(place)
    return Converted(
        layout=DIFFUSERS,
        preset="dm4ct-lodochallenge",
        network=network,
        tensors=fit(network, tensors),
        parametrisation=parametrisation,
        weights="as stored",
        told=TOLD if len(parametrisation) > 1 else (),
    )


def _schedule(place: Path) -> dict[str, Any]:
    """The noise schedule of a pipeline; a network that lies alone is taken to have the usual one."""
    candidates = [place / SCHEDULER_FILE, place.parent / "scheduler" / SCHEDULER_FILE]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        return {"kind": "vp"}
    scheduler = read_object(path)
    if scheduler.get("trained_betas") is not None or scheduler.get("rescale_betas_zero_snr"):
        raise ValueError(f"{path}: betas of its own are not read")
    schedule = scheduler.get("beta_schedule", "linear")
    return {
        "kind": "vp",
        "steps": scheduler.get("num_train_timesteps", 1000),
        "beta_start": scheduler.get("beta_start", 1e-4),
        "beta_end": scheduler.get("beta_end", 0.02),
        "schedule": COSINE if schedule == COSINE_HERE else schedule,
        "prediction": scheduler.get("prediction_type", "epsilon"),
    }
