"""The kinds of priors that methods ask for, by name; apart from `kinds`, so that they can be listed without torch."""

from __future__ import annotations

IMAGE, RESTORATION, SINOGRAM = "image", "restoration", "sinogram"

WORDS = {
    IMAGE: "a denoiser of images",
    RESTORATION: "a restoration network for images of sparse scans",
    SINOGRAM: "a denoiser of sinograms",
}
