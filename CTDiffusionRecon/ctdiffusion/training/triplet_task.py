"""The task of a Gaussian denoiser of three-slice stacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from statistics import geometric_mean
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ..priors.denoiser import EDMDenoiser
from ..priors.prior import Prior, PriorInfo
from .biography import UNNAMED, Biography
from .denoising import SIGMA_HIGHEST, SIGMA_LOWEST, denoising_loss
from .report_card import as_loss, as_psnr, by_kind, dds_psnr, denoising_rmse, overall, slice_errors
from .samples import denoised_rows
from .task import Augment, Lesson, Rows, Volumes, same_network
from .triplets import LABELS, TripletCrops

if TYPE_CHECKING:
    from .recipes.recipe import Recipe


class TripletTask:
    """See `Task`."""

    def lesson(self, recipe: Recipe, volumes: Volumes, work: Path, seed: int, augment: Augment | None) -> Lesson:
        """See `Task.lesson`."""
        crops = TripletCrops(
            volumes, recipe.window, recipe.crop, 2**40, seed, recipe.spacings, augment, recipe.modality == "CT"
        )
        return Lesson(crops, denoising_loss(recipe.sigma_data, recipe.mean))

    def info(self, recipe: Recipe, biography: Biography) -> PriorInfo:
        """See `Task.info`."""
        return PriorInfo(
            name=biography.name,
            version="1",
            network=recipe.network,
            modality=recipe.modality,
            domain="image",
            parametrisation={"kind": "edm", "sigma_data": recipe.sigma_data, "mean": recipe.mean},
            channels=3,
            window=recipe.window,
            sigma_range=(SIGMA_LOWEST, SIGMA_HIGHEST),
            spacing_range=recipe.spacings,
            labels=tuple(LABELS),
            crop=recipe.crop,
            body_parts=biography.body_parts,
            training_data=biography.training_data,
            licence=biography.licence,
            attribution=biography.attribution,
        )

    def initial(self, recipe: Recipe, info: PriorInfo, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Task.initial`."""
        return same_network(recipe, info, state)

    def card(self, recipe: Recipe, network: nn.Module, validation: Volumes) -> dict[str, Any]:
        """See `Task.card`."""
        info = self.info(recipe, UNNAMED)
        prior = Prior(info, EDMDenoiser(network, recipe.sigma_data, recipe.mean))
        errors = slice_errors(prior, validation)
        rmse = overall(errors)
        quality: dict[str, Any] = {
            "denoising_rmse": rmse,
            "denoising_psnr_db": {sigma: round(value, 2) for sigma, value in as_psnr(rmse).items()},
            "denoising_loss": {sigma: round(value, 4) for sigma, value in as_loss(rmse, info).items()},
        }
        if recipe.modality == "CT":
            quality["denoising_by"] = by_kind(errors, recipe.window[1] - recipe.window[0])
            if find_spec("SimpleITK") and find_spec("scipy"):
                prior.info = replace(info, quality=quality)
                quality["dds_psnr_db"] = dds_psnr(prior, validation)
            else:
                print("DDS was not tried on the validation volumes: SimpleITK or scipy is not installed")
        return quality

    def score(self, recipe: Recipe, network: nn.Module, volumes: Volumes) -> float:
        """See `Task.score`: the geometric mean of the denoising errors at the levels where samplers work."""
        prior = Prior(self.info(recipe, UNNAMED), EDMDenoiser(network, recipe.sigma_data, recipe.mean))
        return geometric_mean(list(denoising_rmse(prior, volumes, 2, (0.02, 0.1, 0.3)).values()))

    def samples(self, recipe: Recipe, network: nn.Module, validation: Volumes) -> Rows:
        """See `Task.samples`."""
        prior = Prior(self.info(recipe, UNNAMED), EDMDenoiser(network, recipe.sigma_data, recipe.mean))
        return denoised_rows(prior, validation, recipe.crop)
