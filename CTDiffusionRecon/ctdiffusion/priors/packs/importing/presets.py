"""What the authors' code and papers tell about their checkpoints and the files themselves do not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from . import adm, cvgdiff, diffusers, score_sde

# The HU interval that ISCS maps to [0, 1]. The networks of DiffusionMBIR and DDS were trained on the same images by
# people who never published their scale.
_ISCS_WINDOW = (-1000.0, 1600.0)
_AAPM = ("AAPM Low Dose CT Grand Challenge 2016",)
_AAPM_BODY = ("chest", "abdomen")
# Pixels of the AAPM volumes at 512 x 512 measure 0.66 to 0.86 mm; most networks saw them at half the size.
_AAPM_512 = (0.66, 0.86)
_AAPM_256 = (1.3, 1.75)
_WINDOW_UNPUBLISHED = "the HU window (its authors never published it; --window says otherwise)"
_SPACING_UNPUBLISHED = "the pixel size (--spacing says otherwise)"
# CvG-Diff's network sees the attenuation in 1/cm with 0.192 for water: 0 and 1 are these HU.
_CVG_WINDOW = (-1000.0, 1000.0 / 0.192 - 1000.0)


@dataclass(frozen=True)
class Preset:
    """A published configuration.

    Attributes:
        name: how the option --preset calls it.
        layouts: layouts its checkpoints may have.
        source: the paper or repository whose authors made the weights.
        modality, domain, window, spacing_range, labels, crop, body_parts, training_data, licence: see `PriorInfo`.
        network: arguments of the published network.
        parametrisation: what the checkpoint does not tell of it.
        scan: the only scan that it was trained on, if there is one.
        assumed: which of these values nobody published.
    """

    name: str
    layouts: tuple[str, ...]
    source: str
    window: tuple[float, float]
    spacing_range: tuple[float, float]
    crop: int
    licence: str
    modality: str = "CT"
    domain: str = "image"
    labels: tuple[int, ...] = (0,)
    body_parts: tuple[str, ...] = _AAPM_BODY
    training_data: tuple[str, ...] = _AAPM
    network: dict[str, Any] = field(default_factory=dict)
    parametrisation: dict[str, Any] = field(default_factory=dict)
    scan: dict[str, Any] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()


_NO_LICENCE = "none stated by the authors"
_ISCS_NETWORK = {
    "class": "NCSNpp",
    "channels": 1,
    "width": 128,
    "multipliers": [1, 2, 2, 2],
    "blocks": 4,
    "attention_levels": [],
    "input_pyramid": "residual",
    "output_pyramid": "none",
}
_MSDIFF_NETWORK = {
    "class": "NCSNpp",
    "channels": 1,
    "width": 64,
    "multipliers": [1, 1, 2, 2, 2, 2, 2],
    "blocks": 2,
    "attention_levels": [],
    "input_pyramid": "input_skip",
    "output_pyramid": "output_skip",
}
# Source and detector 500 from the centre of an image 256 wide, 720 columns of 1.
_MSDIFF_SCAN = {
    "kinds": ["fan"],
    "full_views": 720,
    "subset": 6,
    "subset_input": "zero-filled",
    "source_to_isocentre_px": [1000.0, 1000.0],
    "reference": "flat fan, 1000 columns to the isocentre, 2000 to the detector, 720 columns, 720 views on a full turn",
}
_CVG_NETWORK = {
    "class": "DDPMUNet",
    "channels": 1,
    "width": 128,
    "multipliers": [1, 2, 2, 2],
    "blocks": 2,
    "attention_levels": [],
}
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

_MSDIFF = Preset(
    name="msdiff",
    layouts=(score_sde.NAME,),
    source="MSDiff, arXiv 2405.05814",
    domain="sinogram",
    window=(0.0, 1.0),
    spacing_range=(0.001, 1000.0),
    crop=768,
    licence="none stated; the group's other repositories say non-commercial",
    network=_MSDIFF_NETWORK,
    scan=_MSDIFF_SCAN,
    assumed=("the unit of the sinograms",),
)

_PRESETS = (
    Preset(
        name="iscs-ct",
        layouts=(score_sde.NAME,),
        source="ISCS, arXiv 2602.04162",
        window=_ISCS_WINDOW,
        spacing_range=_AAPM_256,
        crop=256,
        licence="Apache-2.0 (of the repository)",
        network=_ISCS_NETWORK,
        assumed=(_SPACING_UNPUBLISHED,),
    ),
    Preset(
        name="iscs-mr",
        layouts=(score_sde.NAME,),
        source="ISCS, arXiv 2602.04162",
        modality="MR",
        window=(0.0, 1000.0),
        spacing_range=(0.9, 1.2),
        crop=256,
        body_parts=("brain",),
        training_data=("IXI T1",),
        licence="Apache-2.0 (of the repository)",
        network=_ISCS_NETWORK,
        assumed=("that the volume's maximum is the robust maximum", _SPACING_UNPUBLISHED),
    ),
    Preset(
        name="diffusionmbir-aapm256",
        layouts=(score_sde.NAME,),
        source="DiffusionMBIR, arXiv 2211.10655",
        window=_ISCS_WINDOW,
        spacing_range=_AAPM_256,
        crop=256,
        licence=_NO_LICENCE,
        network=_ISCS_NETWORK,
        assumed=(_WINDOW_UNPUBLISHED, _SPACING_UNPUBLISHED),
    ),
    _MSDIFF,
    replace(_MSDIFF, name="gmsd", source="GMSD, IEEE TRPMS 2024"),
    Preset(
        name="cvgdiff",
        layouts=(cvgdiff.NAME,),
        source="CvG-Diff",
        window=_CVG_WINDOW,
        spacing_range=_AAPM_256,
        crop=256,
        licence=_NO_LICENCE,
        network=_CVG_NETWORK,
        parametrisation={"levels": [288, 234, 180, 126, 72, 54, 36, 18]},
        scan={
            "kinds": ["fan"],
            "views_per_turn": [18, 288],
            "source_to_isocentre_px": [1075.0, 1075.0],
            "reference": "flat fan, 1075 pixels to the isocentre, 2150 to the detector, 672 columns of 2 pixels",
        },
        assumed=(_SPACING_UNPUBLISHED,),
    ),
    Preset(
        name="diffusionblend-aapm",
        layouts=(adm.WRAPPED,),
        source="DiffusionBlend, arXiv 2406.10211",
        window=_ISCS_WINDOW,
        spacing_range=_AAPM_256,
        crop=256,
        labels=(1, 3),
        licence="MIT (README of the repository)",
        network=_BLEND_NETWORK,
        parametrisation=_BLEND,
        assumed=(_WINDOW_UNPUBLISHED, _SPACING_UNPUBLISHED),
    ),
    Preset(
        name="diffusionblend-lidc",
        layouts=(adm.WRAPPED,),
        source="DiffusionBlend, arXiv 2406.10211",
        window=_ISCS_WINDOW,
        spacing_range=(1.0, 2.0),
        crop=256,
        labels=(1, 3),
        body_parts=("chest",),
        training_data=("LIDC-IDRI",),
        licence="MIT (README of the repository)",
        network=_BLEND_NETWORK,
        parametrisation=_BLEND,
        assumed=(_WINDOW_UNPUBLISHED, _SPACING_UNPUBLISHED),
    ),
    Preset(
        name="dds-aapm256",
        layouts=(adm.NAME,),
        source="DDS, arXiv 2303.05754",
        window=_ISCS_WINDOW,
        spacing_range=_AAPM_256,
        crop=256,
        licence=_NO_LICENCE,
        network=_DDS_NETWORK,
        # DDS's code adds noise to images in [0, 1] as they are.
        parametrisation={"data_range": [0.0, 1.0]},
        assumed=(_WINDOW_UNPUBLISHED, _SPACING_UNPUBLISHED),
    ),
    Preset(
        name="dm4ct-lodochallenge",
        layouts=(diffusers.NAME,),
        source="DM4CT, github.com/DM4CT/DM4CT",
        # Scaled by the data's own minimum and maximum, which were not published: the scanner's whole range.
        window=(-1024.0, 3071.0),
        spacing_range=_AAPM_512,
        crop=512,
        licence=_NO_LICENCE,
        parametrisation={"data_range": [-1.0, 1.0]},
        assumed=(_WINDOW_UNPUBLISHED, _SPACING_UNPUBLISHED),
    ),
)
PRESETS = {preset.name: preset for preset in _PRESETS}


def preset_named(name: str, layout: str) -> Preset:
    """The preset of that name.

    Raises:
        ValueError: there is none, or it belongs to other checkpoints.
    """
    fitting = [preset.name for preset in _PRESETS if layout in preset.layouts]
    if name not in PRESETS:
        raise ValueError(f"preset: must be one of {', '.join(PRESETS)}, got {name!r}")
    if name not in fitting:
        raise ValueError(f"preset: {name} is not for a checkpoint of layout {layout} (these are: {', '.join(fitting)})")
    return PRESETS[name]
