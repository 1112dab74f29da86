"""Published configurations with an ADM U-Net: DiffusionBlend, DDS and its successor."""

from __future__ import annotations

from dataclasses import replace

from .choices import ADM, DIFFUSIONBLEND
from .preset import AAPM_256, ISCS_WINDOW, NO_LICENCE, Preset

# Either may lie bare or in a container.
_LAYOUTS = (ADM, DIFFUSIONBLEND)
_BLEND_NETWORK = {
    "class": "ADMUNet",
    "channels": 3,
    "outputs": 6,
    "width": 256,
    "multipliers": [1, 1, 2, 2, 4, 4],
    "labels": 1000,
    "head_channels": 64,
}
_DDS_NETWORK = {
    "class": "ADMUNet",
    "channels": 1,
    "outputs": 2,
    "width": 256,
    "multipliers": [1, 1, 2, 2, 4, 4],
    "blocks": 1,
    "attention_levels": [4],
    "head_channels": 64,
}
_BLEND = {"data_range": [-1.0, 1.0], "same_slice_label": 1}

_DDS = Preset(
    name="dds-aapm256",
    layouts=_LAYOUTS,
    source="DDS, arXiv 2303.05754",
    window=ISCS_WINDOW,
    spacing_range=AAPM_256,
    crop=256,
    licence=NO_LICENCE,
    network=_DDS_NETWORK,
    # DDS's code adds noise to images in [0, 1] as they are.
    parametrisation={"data_range": [0.0, 1.0]},
    unpublished=("window", "spacing"),
)

ADM_PRESETS = (
    Preset(
        name="diffusionblend-aapm",
        layouts=_LAYOUTS,
        source="DiffusionBlend, arXiv 2406.10211",
        window=ISCS_WINDOW,
        spacing_range=AAPM_256,
        crop=256,
        labels=(1, 3),
        licence="MIT (README of the repository)",
        network=_BLEND_NETWORK,
        parametrisation=_BLEND,
        unpublished=("window", "spacing"),
    ),
    Preset(
        name="diffusionblend-lidc",
        layouts=_LAYOUTS,
        source="DiffusionBlend, arXiv 2406.10211",
        window=ISCS_WINDOW,
        spacing_range=(1.0, 2.0),
        crop=256,
        labels=(1, 3),
        body_parts=("chest",),
        training_data=("LIDC-IDRI",),
        licence="MIT (README of the repository)",
        network=_BLEND_NETWORK,
        parametrisation=_BLEND,
        unpublished=("window", "spacing"),
    ),
    _DDS,
    # Trained on drawn ellipses, tried on the AAPM's images.
    replace(
        _DDS,
        name="ddip-ellipses256",
        source="DDIP, arXiv 2407.10641",
        training_data=("synthetic ellipses",),
        network={**_DDS_NETWORK, "outputs": 1},
        notes=("that its images of ellipses say something about CT",),
    ),
    # Complex images of single coils; real ones have no imaginary part.
    replace(
        _DDS,
        name="dds-fastmri-knee320",
        modality="MR",
        window=(0.0, 1000.0),
        spacing_range=(0.4, 0.6),
        crop=320,
        body_parts=("knee",),
        training_data=("fastMRI knee",),
        network={**_DDS_NETWORK, "channels": 2, "outputs": 4},
        parametrisation={"data_range": [0.0, 1.0], "complex_images": True},
        notes=("that images are real: the network's second channel is shown 0 without noise",),
    ),
)
