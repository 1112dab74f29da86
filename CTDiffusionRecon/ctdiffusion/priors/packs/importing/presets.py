"""What the authors' code and papers tell about their checkpoints and the files themselves do not."""

from __future__ import annotations

from dataclasses import replace

from .adm_presets import ADM_PRESETS
from .choices import CVGDIFF, DIFFUSERS, EDM, SCORE_SDE
from .preset import AAPM_256, AAPM_512, ISCS_WINDOW, NO_LICENCE, Preset

# CvG-Diff's network sees the attenuation in 1/cm with 0.192 for water: 0 and 1 are these HU.
_CVG_WINDOW = (-1000.0, 1000.0 / 0.192 - 1000.0)


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
_MSDIFF = Preset(
    name="msdiff",
    layouts=(SCORE_SDE,),
    source="MSDiff, arXiv 2405.05814",
    domain="sinogram",
    window=(0.0, 1.0),
    spacing_range=(0.001, 1000.0),
    crop=768,
    licence="none stated; the group's other repositories say non-commercial",
    network=_MSDIFF_NETWORK,
    scan=_MSDIFF_SCAN,
    unpublished=("window",),
)

_PRESETS = (
    Preset(
        name="iscs-ct",
        layouts=(SCORE_SDE,),
        source="ISCS, arXiv 2602.04162",
        window=ISCS_WINDOW,
        spacing_range=AAPM_256,
        crop=256,
        licence="Apache-2.0 (of the repository)",
        network=_ISCS_NETWORK,
        unpublished=("spacing",),
    ),
    Preset(
        name="iscs-mr",
        layouts=(SCORE_SDE,),
        source="ISCS, arXiv 2602.04162",
        modality="MR",
        window=(0.0, 1000.0),
        spacing_range=(0.9, 1.2),
        crop=256,
        body_parts=("brain",),
        training_data=("IXI T1",),
        licence="Apache-2.0 (of the repository)",
        network=_ISCS_NETWORK,
        unpublished=("spacing",),
        notes=("that the volume's maximum is the robust maximum",),
    ),
    Preset(
        name="diffusionmbir-aapm256",
        layouts=(SCORE_SDE,),
        source="DiffusionMBIR, arXiv 2211.10655",
        window=ISCS_WINDOW,
        spacing_range=AAPM_256,
        crop=256,
        licence=NO_LICENCE,
        network=_ISCS_NETWORK,
        unpublished=("window", "spacing"),
    ),
    _MSDIFF,
    replace(_MSDIFF, name="gmsd", source="GMSD, IEEE TRPMS 2024"),
    Preset(
        name="cvgdiff",
        layouts=(CVGDIFF,),
        source="CvG-Diff",
        window=_CVG_WINDOW,
        spacing_range=AAPM_256,
        crop=256,
        licence=NO_LICENCE,
        network=_CVG_NETWORK,
        parametrisation={"levels": [288, 234, 180, 126, 72, 54, 36, 18]},
        scan={
            "kinds": ["fan"],
            "views_per_turn": [18, 288],
            "source_to_isocentre_px": [1075.0, 1075.0],
            "reference": "flat fan, 1075 pixels to the isocentre, 2150 to the detector, 672 columns of 2 pixels",
        },
        unpublished=("spacing",),
    ),
    *ADM_PRESETS,
    Preset(
        name="dcpnpdp-abdomen",
        layouts=(EDM,),
        source="DC-PnPDP, arXiv 2602.23214",
        # Bone of more than 800 HU is as bright as 800 HU to it.
        window=(-800.0, 800.0),
        # Pixels of AbdomenCT-1K at 512 x 512, of slices of 1 mm or less, measure 0.6 to 1 mm; half the size was shown.
        spacing_range=(1.2, 2.0),
        crop=256,
        body_parts=("abdomen",),
        training_data=("AbdomenCT-1K, 219 volumes of slices of 1 mm or less",),
        licence=NO_LICENCE,
        network={
            "class": "SongUNet",
            "channels": 1,
            "resolution": 256,
            "width": 128,
            "multipliers": [1, 1, 2, 2, 2, 2, 2],
            "blocks": 4,
            "attention_levels": [4],
            "embedding": "positional",
            "encoder": "standard",
            "decoder": "standard",
            "resample_filter": [1.0, 1.0],
        },
        parametrisation={"data_range": [-1.0, 1.0]},
        unpublished=("spacing",),
    ),
    Preset(
        name="dm4ct-lodochallenge",
        layouts=(DIFFUSERS,),
        source="DM4CT, github.com/DM4CT/DM4CT",
        # Scaled by the data's own minimum and maximum, which were not published: the scanner's whole range.
        window=(-1024.0, 3071.0),
        spacing_range=AAPM_512,
        crop=512,
        licence=NO_LICENCE,
        parametrisation={"data_range": [-1.0, 1.0]},
        unpublished=("window", "spacing"),
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
