"""Whether an image shows what a prior was trained on, as far as its DICOM body part says."""

from __future__ import annotations

from collections.abc import Sequence

from .prior import PriorInfo

# Body parts of DICOM (PS3.16 annex L) and common spellings, by the words that packs use.
_NAMES = {
    "chest": ("CHEST", "THORAX", "LUNG", "HEART", "BREAST", "MEDIASTINUM", "TSPINE"),
    "abdomen": ("ABD", "LIVER", "KIDNEY", "PANCREAS", "SPLEEN", "STOMACH", "COLON", "BOWEL", "LSPINE"),
    "pelvis": ("PELVIS", "HIP", "PROSTATE", "BLADDER", "UTERUS", "RECTUM", "SACRUM"),
    "extremities": (
        "EXTREMITY", "ARM", "ELBOW", "WRIST", "HAND", "SHOULDER", "LEG", "THIGH", "KNEE", "ANKLE", "FOOT", "CALF",
    ),
    "brain": ("BRAIN", "HEAD", "SKULL"),
    "head": ("HEAD", "BRAIN", "SKULL", "SINUS", "ORBIT", "JAW", "TEETH"),
    "neck": ("NECK", "CSPINE", "LARYNX"),
}  # fmt: skip


def body_part_warnings(info: PriorInfo, body_part: str) -> list[str]:
    """A warning if a series is of a body part that the prior has not been trained on; nothing where that is unknown.

    Args:
        info: the prior's metadata.
        body_part: DICOM's Body Part Examined, or empty.
    """
    shown = {part for part, names in _NAMES.items() if _mentions(body_part, names)}
    # A pack whose maker did not say what it has seen is not accused of not having seen it.
    if not shown or not info.body_parts or shown & set(info.body_parts):
        return []
    return [
        f"prior {info.name} was trained on {', '.join(info.body_parts)}; the series is of the body part {body_part}: "
        "it works outside of what it has learnt"
    ]


def _mentions(body_part: str, names: Sequence[str]) -> bool:
    return any(name in body_part.upper() for name in names)
