"""The kinds of priors that methods ask for, by name; apart from `kinds`, so that they can be listed without torch."""

from __future__ import annotations

from collections.abc import Mapping

IMAGE, RESTORATION, SINOGRAM = "image", "restoration", "sinogram"
# The parametrisation of `cold.ColdRestorer`, which is no denoiser.
COLD = "cold"

WORDS = {
    IMAGE: "a denoiser of images",
    RESTORATION: "a restoration network for images of sparse scans",
    SINOGRAM: "a denoiser of sinograms",
}


def kind_from(parametrisation: object, domain: object) -> str:
    """The kind of a pack, from two entries of its metadata, as they stand there."""
    if isinstance(parametrisation, Mapping) and parametrisation.get("kind") == COLD:
        return RESTORATION
    return SINOGRAM if domain == "sinogram" else IMAGE
