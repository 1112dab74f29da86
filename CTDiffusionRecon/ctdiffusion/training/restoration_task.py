"""The task of a cold-restoration network: CvG-Diff with EPCT, or FBPConvNet without."""

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

from ..core.units import AttenuationScale, HUWindow
from ..operators.factory import make_operator
from ..priors.networks.cold_unet import from_triplets
from ..priors.prior import PriorInfo
from .biography import Biography
from .degradations import (
    INDEX_FILE,
    Degradations,
    check_degradations,
    read_degradations,
    scan_of,
    slice_grid,
    write_degradations,
)
from .loop import Batch
from .restoration import CompositeStep, DegradedCrops, restoration_loss
from .task import Augment, Lesson, Rows, Volumes

if TYPE_CHECKING:
    from .recipes.recipe import Recipe

# View counts that the store holds, so that both recipes train from one.
STORED_VIEWS = (288, 234, 180, 126, 72, 60, 54, 36, 30, 20, 18, 10)


@dataclass(frozen=True)
class RestorationTask:
    """See `Task`.

    Attributes:
        views: views per full turn of the levels, falling.
        composite: whether to train with EPCT.
        images: whole slices of a composite step.
        composite_crop: crop on which a composite step takes its loss.
        size: side in pixels of the slices that are scanned.
    """

    views: tuple[int, ...]
    composite: bool
    images: int = 4
    composite_crop: int = 144
    size: int = 256

    def lesson(self, recipe: Recipe, volumes: Volumes, work: Path, seed: int, augment: Augment | None) -> Lesson:
        """See `Task.lesson`; the scans are kept in `work/degradations`."""
        store = self._store(volumes, work)
        window = HUWindow(*recipe.window)

        def loss(network: nn.Module, batch: Batch, generator: torch.Generator) -> Tensor:
            return restoration_loss(network, batch)

        crops = DegradedCrops(store, window, self.views, recipe.crop, seed)
        if not self.composite:
            return Lesson(crops, loss)
        return Lesson(crops, loss, CompositeStep.of(store, window, self.views, self.images, self.composite_crop))

    def info(self, recipe: Recipe, biography: Biography) -> PriorInfo:
        """See `Task.info`."""
        return PriorInfo(
            name=biography.name,
            version="1",
            network=recipe.network,
            modality=recipe.modality,
            domain="image",
            parametrisation={"kind": "cold", "levels": list(self.views)},
            channels=1,
            window=recipe.window,
            sigma_range=(0.0, 0.0),
            spacing_range=recipe.spacings,
            labels=(0,),
            crop=recipe.crop,
            body_parts=biography.body_parts,
            training_data=biography.training_data,
            licence=biography.licence,
            attribution=biography.attribution,
            scan={
                "kinds": ["fan", "parallel"],
                "views_per_turn": [min(self.views), max(self.views)],
                # The farthest is the reference fan; parallel beams lie beyond it, and the network knows them too.
                "source_to_isocentre_px": [200.0, 1e6],
                "size": self.size,
                "reference": "flat fan, 1075 pixels to the isocentre, 2150 to the detector, 1 pixel a column",
            },
        )

    def initial(self, recipe: Recipe, info: PriorInfo, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Task.initial`; a triplet denoiser of the same widths will do as well."""
        shape = [recipe.network[name] for name in ("widths", "blocks")]
        if [info.network.get(name) for name in ("widths", "blocks")] == shape:
            if info.network["class"] == "TripletUNet" and info.channels == 3:
                return from_triplets(state)
            if info.network["class"] == recipe.network["class"]:
                return dict(state)
        raise ValueError(f"init: the network of {info.name} is not that of recipe {recipe.name}")

    @torch.no_grad()
    def card(self, recipe: Recipe, network: nn.Module, validation: Volumes) -> dict[str, Any]:
        """See `Task.card`: RMSE in HU of FBP and of one restoration, by views, on noise-free reference scans."""
        window = HUWindow(*recipe.window)
        network.eval()
        squares: dict[int, list[tuple[float, float]]] = {views: [] for views in self.views}
        for entry, array in self._whole(validation):
            hu = np.asarray(array[[entry.slices // 3, 2 * entry.slices // 3]]).astype(np.float32)
            for level, views in enumerate(self.views):
                start = self._scanned(hu, entry.spacing, views)
                x = network(window.normalise(start)[:, None], torch.full((len(hu),), level))[:, 0]
                truth = torch.from_numpy(hu)
                pair = ((image - truth).square().mean() for image in (start, window.denormalise(x)))
                squares[views].append((float(next(pair)), float(next(pair))))
        rmse = {
            str(views): [round(math.sqrt(sum(column) / len(column)), 1) for column in zip(*values, strict=True)]
            for views, values in squares.items()
            if values
        }
        return {"rmse_hu_fbp_and_restored_by_views": rmse}

    def score(self, recipe: Recipe, network: nn.Module, volumes: Volumes) -> float:
        """See `Task.score`: none."""
        return math.nan

    @torch.no_grad()
    def samples(self, recipe: Recipe, network: nn.Module, validation: Volumes) -> Rows:
        """See `Task.samples`: FBP from many and from few views, each with its restoration, and the truth."""
        window = HUWindow(*recipe.window)
        network.eval()
        rows: Rows = []
        for entry, array in self._whole(validation)[:3]:
            hu = np.asarray(array[[entry.slices // 2]]).astype(np.float32)
            row = []
            for level in (len(self.views) // 2, len(self.views) - 1):
                start = window.normalise(self._scanned(hu, entry.spacing, self.views[level]))
                restored = network(start[:, None], torch.full((len(hu),), level))[0, 0]
                row += [start[0].numpy(), restored.numpy()]
            rows.append([*row, window.normalise(torch.from_numpy(hu[0])).numpy()])
        return rows

    def _whole(self, volumes: Volumes) -> Volumes:
        return [item for item in volumes if item[1].shape[1:] == (self.size, self.size)]

    def _scanned(self, hu: NDArray[np.float32], spacing: float, views: int) -> Tensor:
        """FBP in HU `[slice, row, column]` of a noise-free reference scan."""
        from ..acquisition.settings import SimulationSettings
        from ..acquisition.simulate import simulate
        from ..images.volume import Volume

        grid = slice_grid(self.size, spacing)
        geometry = scan_of("reference", views, grid)
        measured = simulate(Volume(hu, (spacing, spacing, 1.0)), geometry, SimulationSettings(noise=False), 0)
        return AttenuationScale().to_hu(make_operator(geometry, grid, memory_limit=0).fbp(measured.data))

    def _store(self, volumes: Volumes, work: Path) -> Degradations:
        folder = work / "degradations"
        if (folder / INDEX_FILE).is_file():
            check_degradations(folder, volumes, self.views, self.size)
        else:
            views = STORED_VIEWS if set(self.views) <= set(STORED_VIEWS) else self.views
            write_degradations(volumes, views, folder, self.size, report=lambda text: print(text, flush=True))
        return read_degradations(folder)
