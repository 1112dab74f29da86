"""UNet2DModel of the optional package diffusers, as the DM4CT benchmark trains it."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class DiffusersUNet(nn.Module):
    """A UNet2DModel that the package diffusers builds from its own config.

    Raises:
        ValueError: the package is not installed, or it does not take the config.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        try:
            from diffusers import UNet2DModel
        except ImportError:
            raise ValueError("this network needs the package diffusers: pip install diffusers") from None
        self.unet = UNet2DModel(**config)
        self.channels = int(config.get("in_channels", 3))
        self.multiple = 2 ** (len(config.get("block_out_channels", (224, 448, 672, 896))) - 1)
        self.labelled = config.get("num_class_embeds") is not None

    def forward(self, x: Tensor, level: Tensor, label: Tensor | None = None) -> Tensor:
        """The raw output `[batch, channels, rows, columns]` at a timestep `[batch]`."""
        out: Tensor = self.unet(x, level, class_labels=label if self.labelled else None).sample
        return out
