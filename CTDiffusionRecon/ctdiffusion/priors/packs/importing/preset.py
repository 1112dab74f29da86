"""What a published configuration is, and what several of them share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# The HU interval that ISCS maps to [0, 1]. The networks of DiffusionMBIR and DDS were trained on the same images by
# people who never published their scale.
ISCS_WINDOW = (-1000.0, 1600.0)
AAPM = ("AAPM Low Dose CT Grand Challenge 2016",)
AAPM_BODY = ("chest", "abdomen")
# Pixels of the AAPM volumes at 512 x 512 measure 0.66 to 0.86 mm; most networks saw them at half the size.
AAPM_512 = (0.66, 0.86)
AAPM_256 = (1.3, 1.75)
NO_LICENCE = "none stated by the authors"


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
        unpublished: which of these values nobody published, by the name of the option that says otherwise.
        notes: what else had to be assumed, in words.
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
    body_parts: tuple[str, ...] = AAPM_BODY
    training_data: tuple[str, ...] = AAPM
    network: dict[str, Any] = field(default_factory=dict)
    parametrisation: dict[str, Any] = field(default_factory=dict)
    scan: dict[str, Any] = field(default_factory=dict)
    unpublished: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
