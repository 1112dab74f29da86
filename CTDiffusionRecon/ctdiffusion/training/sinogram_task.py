"""The task of a Gaussian denoiser of sinograms: full ones and ordered subsets, told apart by label."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..core.noise import NoiseSource
from ..priors.denoiser import EDMDenoiser
from ..priors.prior import Prior, PriorInfo
from .biography import UNNAMED, Biography
from .cache import CachedVolume
from .denoising import denoising_loss
from .sinograms import (
    FULL,
    INDEX_FILE,
    SPARSE,
    SUBSET,
    SinogramWindows,
    check_sinograms,
    read_sinograms,
    write_sinograms,
)
from .task import Augment, Lesson, Rows, Volumes, same_network

if TYPE_CHECKING:
    from .recipes.recipe import Recipe

# Noise levels in the prior's range. Full-view sinograms are smooth: what decides lies far below an image's levels.
SIGMA_LOWEST, SIGMA_HIGHEST = 0.0005, 1.0
LEVELS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)


@dataclass(frozen=True)
class SinogramTask:
    """See `Task`.

    Attributes:
        views: views on a full turn.
        columns: detector columns.
        rows: successive views of a training window.
        size: side in pixels of the slices that are projected.
    """

    views: int
    columns: int
    rows: int
    size: int = 256

    def lesson(self, recipe: Recipe, volumes: Volumes, work: Path, seed: int, augment: Augment | None) -> Lesson:
        """See `Task.lesson`; the sinograms are kept in `work/sinograms`."""
        folder = work / "sinograms"
        if (folder / INDEX_FILE).is_file():
            check_sinograms(folder, volumes, self.views, self.columns, self.size)
        else:
            write_sinograms(
                volumes, folder, self.views, self.columns, self.size, report=lambda text: print(text, flush=True)
            )
        windows = SinogramWindows(read_sinograms(folder), recipe.window[1], self.rows, seed)
        return Lesson(windows, denoising_loss(recipe.sigma_data, recipe.mean, draw_sigma))

    def info(self, recipe: Recipe, biography: Biography) -> PriorInfo:
        """See `Task.info`."""
        return PriorInfo(
            name=biography.name,
            version="1",
            network=recipe.network,
            modality=recipe.modality,
            domain="sinogram",
            parametrisation={"kind": "edm", "sigma_data": recipe.sigma_data, "mean": recipe.mean},
            channels=1,
            window=recipe.window,
            sigma_range=(SIGMA_LOWEST, SIGMA_HIGHEST),
            spacing_range=recipe.spacings,
            labels=(FULL, SPARSE),
            crop=self.rows,
            body_parts=biography.body_parts,
            training_data=biography.training_data,
            licence=biography.licence,
            attribution=biography.attribution,
            scan={
                "kinds": ["fan", "parallel"],
                "full_views": self.views,
                "columns": self.columns,
                "subset": SUBSET,
                "source_to_isocentre_px": [1000.0, 1e6],
                "reference": "flat fan, 1075 columns to the isocentre, and parallel beams, 360 views on a full turn",
            },
        )

    def initial(self, recipe: Recipe, info: PriorInfo, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Task.initial`."""
        return same_network(recipe, info, state)

    def card(self, recipe: Recipe, network: nn.Module, validation: Volumes) -> dict[str, Any]:
        """See `Task.card`: RMSE of denoising full sinograms and subsets, in the prior's range."""
        from ..samplers.sinogram import denoise_wrapped

        prior = Prior(self.info(recipe, UNNAMED), EDMDenoiser(network, recipe.sigma_data, recipe.mean))
        errors: dict[str, list[float]] = {}
        for entry, array in validation:
            data = self._projected(recipe, entry, array)
            noise = NoiseSource(0).normal(0, (1, data.shape[1], data.shape[2]))
            for name, label, rows in (("full", FULL, slice(None)), ("subset", SPARSE, slice(None, None, SUBSET))):
                for sigma in LEVELS:
                    clean = data[:, rows]
                    estimate = denoise_wrapped(prior, clean + sigma * noise[:, rows], sigma, label)
                    errors.setdefault(f"{name} {sigma:g}", []).append(float((estimate - clean).square().mean()))
        rmse = {name: math.sqrt(sum(values) / len(values)) for name, values in errors.items()}
        return {
            # What `Prior.expected_error` reads is the full sinogram's.
            "denoising_rmse": {n.split()[1]: value for n, value in rmse.items() if n.startswith("full")},
            "sinogram_rmse_over_sigma": {n: round(value / float(n.split()[1]), 4) for n, value in rmse.items()},
        }

    def score(self, recipe: Recipe, network: nn.Module, volumes: Volumes) -> float:
        """See `Task.score`: none."""
        return math.nan

    @torch.no_grad()
    def samples(self, recipe: Recipe, network: nn.Module, validation: Volumes) -> Rows:
        """See `Task.samples`: full sinograms, noisy and denoised."""
        from ..samplers.sinogram import denoise_wrapped

        prior = Prior(self.info(recipe, UNNAMED), EDMDenoiser(network, recipe.sigma_data, recipe.mean))
        rows: Rows = []
        for entry, array in validation[:3]:
            data = self._projected(recipe, entry, array)
            row = [data[0].numpy()]
            for sigma in (0.01, 0.1):
                noisy = data + sigma * NoiseSource(0).normal(0, (1, data.shape[1], data.shape[2]))
                row += [noisy[0].numpy(), denoise_wrapped(prior, noisy, sigma, FULL)[0].numpy()]
            rows.append(row)
        return rows

    def _projected(self, recipe: Recipe, entry: CachedVolume, array: NDArray[np.int16]) -> Tensor:
        """The noise-free full sinogram `[1, view, column]` of a volume's central slice, in the prior's range."""
        from ..acquisition.settings import SimulationSettings
        from ..acquisition.simulate import simulate
        from ..images.volume import Volume
        from .degradations import scan_of, slice_grid

        hu = np.asarray(array[[entry.slices // 2]]).astype(np.float32)
        geometry = scan_of("reference", self.views, slice_grid(hu.shape[1], entry.spacing))
        volume = Volume(hu, (entry.spacing, entry.spacing, 1.0))
        return simulate(volume, geometry, SimulationSettings(noise=False), 0).data / recipe.window[1]


def draw_sigma(count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Noise levels `[count]`: three in four log-normal with median 0.012, the rest log-uniform."""
    normal = torch.exp(math.log(0.012) + 1.2 * torch.randn(count, generator=generator, device=device))
    low, high = math.log(SIGMA_LOWEST), math.log(SIGMA_HIGHEST)
    uniform = torch.exp(low + (high - low) * torch.rand(count, generator=generator, device=device))
    tail = torch.rand(count, generator=generator, device=device) < 0.25
    return torch.where(tail, uniform, normal).clamp(SIGMA_LOWEST, SIGMA_HIGHEST)
