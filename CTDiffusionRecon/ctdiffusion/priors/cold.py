"""Cold restoration (Bansal et al. 2022, arXiv 2208.09392): a network that undoes one degradation of several strengths.

It is no Gaussian denoiser: its levels count how strongly one particular scan geometry undersampled the image, not how
much noise was added. Methods for it load it with `load_restorer`; `pack.load_pack` refuses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from .kind_names import COLD
from .packs.pack import METADATA_FILE, load_network, read_info
from .prior import PriorInfo


class ColdRestorer(nn.Module):
    """R(x, level) -> x0: from the image that a degraded scan gives to the clean one.

    Attributes:
        channels: slices that it takes at a time.
        levels: views of the scan at each level, falling: `levels[0]` is the mildest degradation.
    """

    def __init__(self, network: nn.Module, levels: Sequence[int]) -> None:
        super().__init__()
        if not levels or any(not isinstance(views, int) or views < 1 for views in levels):
            raise ValueError(f"levels must be numbers of views, got {list(levels)!r}")
        self.network = network
        self.channels = int(getattr(network, "channels", 1))
        self.levels = tuple(levels)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Estimate the clean images.

        Args:
            x: degraded images `[batch, channels, rows, columns]` in the prior's range (its window maps to [0, 1]);
                rows and columns are multiples of `pad_multiple()`.
            level: index into `levels` of each image, `[batch]`, int64.
        """
        estimate: Tensor = self.network(x, level)
        return estimate.float()

    def pad_multiple(self) -> int:
        """Rows and columns must be a multiple of this number of pixels."""
        return int(getattr(self.network, "multiple", 1))


def load_restorer(
    folder: Path, device: torch.device | str = "cpu", info: PriorInfo | None = None
) -> tuple[PriorInfo, ColdRestorer]:
    """Load a cold-restoration pack, or refuse it; `info` is its metadata where they have been read before.

    Raises:
        ValueError: damaged, or a pack of another kind.
    """
    info = info or read_info(folder)
    arguments = {name: value for name, value in info.parametrisation.items() if name != "kind"}
    if info.parametrisation.get("kind") != COLD:
        raise ValueError(f"prior: {info.name} removes noise; it does not restore images of sparse scans")
    try:
        restorer = ColdRestorer(load_network(folder, info), **arguments)
    except TypeError as error:
        raise ValueError(f"prior: {folder / METADATA_FILE}: parametrisation: {error}") from None
    return info, restorer.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
