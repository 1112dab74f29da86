"""The metadata of an imported pack: what the file, the preset and the user say, and a list of all that was assumed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from ...choices import COSINE
from ...prior import PriorInfo
from ...vp import VPDenoiser
from .converted import assumption, option_text
from .options import ImportOptions
from .preset import Preset

# EDM's sampler walks these levels, in the network's range; the training draws most within 0.01 to 10.
_EDM_LEVELS = (0.002, 80.0)


def describe(name: str, result: Mapping[str, Any], preset: Preset, options: ImportOptions, source: Path) -> PriorInfo:
    """The metadata of the pack, but for the hashes.

    Args:
        name: of the pack.
        result: what the converting process says about the checkpoint (`Converted`).
        preset: what is published about it.
        options: what the user says; the first to be believed.
        source: the checkpoint.

    Raises:
        ValueError: an option that means nothing for this network, or a noise schedule that is none.
    """
    kind = str(result["parametrisation"]["kind"])
    parametrisation = {**preset.parametrisation, **result["parametrisation"], **options.parametrisation(kind)}
    network = dict(result["network"])
    channels = int(network["channels"]) if "channels" in network else int(network["config"]["in_channels"])
    if parametrisation.get("complex_images"):
        channels //= 2
    labels = options.labels or preset.labels
    info = PriorInfo(
        name=name,
        version="1",
        modality=options.modality or preset.modality,
        domain=options.domain or preset.domain,
        network=network,
        parametrisation=parametrisation,
        channels=channels,
        window=options.window or preset.window,
        sigma_range=_sigma_range(parametrisation, options.sigma_range or result["sigma_range"]),
        spacing_range=options.spacing or preset.spacing_range,
        labels=tuple(labels) if channels > 1 or options.labels else (0,),
        crop=options.image_size or int(network.get("resolution", preset.crop)),
        body_parts=preset.body_parts,
        training_data=preset.training_data,
        licence=options.licence or preset.licence,
        attribution=f"Weights by the authors of {preset.source}, converted from their file.",
        scan=preset.scan,
    )
    origin = {
        "file": source.name,
        "layout": result["layout"],
        "preset": preset.name,
        "weights": result["weights"],
        "licence_note": info.licence,
        "assumed": list(_assumed(info, result, preset, options)),
    }
    return replace(info, origin=origin)


def _assumed(info: PriorInfo, result: Mapping[str, Any], preset: Preset, options: ImportOptions) -> Iterator[str]:
    """Every value that neither the file nor the user says, one a line, with the option that says otherwise."""
    yield from (str(text) for text in result["assumed"])
    if preset.network and any(info.network.get(key) != value for key, value in preset.network.items()):
        text = f"that what is known of {preset.name} holds for this network, which has another size"
        yield assumption(text, "--preset")
    if not options.preset:
        trained = ", ".join(preset.training_data)
        yield assumption(f"that it is preset {preset.name}: by {preset.source}, trained on {trained}", "--preset")
        if preset.scan:
            yield assumption(f"that it belongs to one scan: {preset.scan['reference']}", "--preset")
    told = set(result.get("told", ()))
    for name, text in _lines(info, preset):
        if name not in told and not options.says(name):
            unpublished = ", which nobody published" if name in preset.unpublished else ""
            yield assumption(text + unpublished, option_text(name))
    for text in preset.notes:
        yield assumption(text, "--preset")


def _lines(info: PriorInfo, preset: Preset) -> Iterator[tuple[str, str]]:
    """Options and what stands in their place, in words."""
    sinogram, cold = info.domain == "sinogram", info.parametrisation["kind"] == "cold"
    low, high = info.window
    yield "modality", f"{info.modality} of {', '.join(info.body_parts)}"
    yield "domain", f"that it sees {info.domain}s"
    unit = "line integrals" if sinogram else "HU" if info.modality == "CT" else "per mille of the robust maximum"
    yield "window", f"{low:g} and {high:g} {unit} are 0 and 1 of its range"
    if not sinogram:
        yield "spacing", f"pixel size {info.spacing_range[0]:g} to {info.spacing_range[1]:g} mm"
    if "resolution" not in info.network:
        yield "image_size", f"training images {info.crop} pixels wide"
    values = _with_defaults(info.parametrisation)
    if not cold:
        first, last = values["data_range"]
        yield "data_range", f"that these 0 and 1 are {first:g} and {last:g} to the network"
    if info.channels > 1:
        yield "labels", f"slice-spacing labels {', '.join(map(str, info.labels))}"
    if info.channels > 1 and values["kind"] == "vp":
        yield "same_slice_label", f"label {values['same_slice_label']} for the same slice several times"
    if cold:
        yield "levels", f"that its levels are {', '.join(map(str, values.get('levels', [])))} views per turn"
    if values["kind"] == "vp":
        yield "timesteps", f"{values['steps']} timesteps"
        if values["schedule"] != COSINE:
            yield "betas", f"betas {values['beta_start']:g} to {values['beta_end']:g}"
        yield "schedule", f"a {values['schedule']} noise schedule"
        yield "prediction", f"that it predicts {values['prediction']}"
    if values["kind"] == "preconditioned":
        yield "preconditioning", f"preconditioning {values['preconditioning']}"
        low, high = (level * (last - first) for level in info.sigma_range)
        yield "sigma_range", f"trained on noise levels {low:.3g} to {high:.3g} in the network's range"
        if values["preconditioning"] == "edm":
            yield "data_deviation", f"standard deviation {values['data_deviation']:g} of its training data"
    yield "licence", f"licence of the weights: {info.licence}"


def _with_defaults(parametrisation: Mapping[str, Any]) -> dict[str, Any]:
    defaults: dict[str, dict[str, Any]] = {
        "vp": {
            "steps": 1000, "beta_start": 1e-4, "beta_end": 0.02, "schedule": "linear", "data_range": [-1.0, 1.0],
            "prediction": "epsilon", "same_slice_label": 0,
        },
        "ve": {"data_range": [0.0, 1.0]},
        "preconditioned": {"preconditioning": "edm", "data_range": [-1.0, 1.0], "data_deviation": 0.5},
    }  # fmt: skip
    return {**defaults.get(str(parametrisation["kind"]), {}), **parametrisation}


def _sigma_range(
    parametrisation: Mapping[str, Any], stored: list[float] | tuple[float, float] | None
) -> tuple[float, float]:
    """The noise levels in the prior's range, from those in the network's."""
    kind = parametrisation["kind"]
    if kind == "vp":
        arguments = {key: value for key, value in parametrisation.items() if key != "kind"}
        try:
            return VPDenoiser(nn.Identity(), **arguments).sigma_range()
        except (TypeError, ValueError) as error:
            raise ValueError(f"noise schedule: {error}") from None
    if kind == "preconditioned" and stored is None:
        stored = _EDM_LEVELS
    # Restoring networks have no noise levels.
    low, high = stored or (0.0, 0.0)
    first, last = _with_defaults(parametrisation).get("data_range", (0.0, 1.0))
    return float(low) / (last - first), float(high) / (last - first)
