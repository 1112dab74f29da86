"""The options of `ctdiffusion priors import`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..priors.choices import ACTIVATIONS, PRECONDITIONINGS, PREDICTIONS, SCHEDULES
from ..priors.packs.importing.choices import LAYOUTS
from ..priors.packs.importing.presets import PRESETS

if TYPE_CHECKING:
    from ..priors.packs.importing.options import ImportOptions

_PAIR: dict[str, Any] = {"nargs": 2, "type": float, "metavar": ("LOW", "HIGH")}
_COUNT: dict[str, Any] = {"type": int, "default": 0, "metavar": "N"}
_FLAG: dict[str, Any] = {"action": argparse.BooleanOptionalAction}


def add_import(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("file", type=Path, metavar="FILE", help="checkpoint file, or folder of the package diffusers")
    parser.add_argument("--layout", choices=["auto", *LAYOUTS], default="auto", help="layout of the file")
    parser.add_argument("--preset", choices=list(PRESETS), default="", help="published configuration that it is of")
    parser.add_argument("--name", default="", help="name of the pack (the preset's)")
    parser.add_argument("--licence", default="", metavar="TEXT", help="licence of the weights")
    parser.add_argument(
        "--despite-trial",
        action="store_true",
        help="make the pack even if the network leaves test images no better than they were",
    )
    data = parser.add_argument_group("what it was trained on")
    data.add_argument("--modality", choices=["CT", "MR"], default="", help="what the training images were")
    data.add_argument("--domain", choices=["image", "sinogram"], default="", help="what the network sees")
    data.add_argument("--window", help="HU interval that the network sees as 0 to 1", **_PAIR)
    data.add_argument("--spacing", help="pixel sizes in mm", **_PAIR)
    data.add_argument("--image-size", help="side of the training images in pixels", **_COUNT)
    data.add_argument("--data-range", help="what 0 and 1 of the window are to the network itself", **_PAIR)
    data.add_argument("--labels", nargs="+", type=int, default=[], metavar="N", help="labels of slice stacks")
    data.add_argument("--same-slice-label", type=int, metavar="N", help="the label for the same slice several times")
    data.add_argument("--levels", nargs="+", type=int, default=[], metavar="N", help="views of a restorer's levels")
    adm = parser.add_argument_group("attention of an ADM U-Net, which no tensor tells")
    adm.add_argument("--head-channels", help="feature channels per attention head", **_COUNT)
    adm.add_argument("--heads", help="attention heads, whatever the channels", **_COUNT)
    adm.add_argument("--heads-up", help="attention heads of the way up, where it is another number", **_COUNT)
    adm.add_argument("--new-attention-order", help="queries, keys and values are split before the heads", **_FLAG)
    ncsnpp = parser.add_argument_group("an NCSN++, where no tensor tells")
    ncsnpp.add_argument(
        "--resample-filter", nargs="*", type=float, metavar="TAP", help="taps, such as 1 3 3 1; no tap for no filter"
    )
    ncsnpp.add_argument("--skip-rescale", help="sums with a residual are divided by sqrt(2)", **_FLAG)
    ncsnpp.add_argument("--scale-by-sigma", help="the output is divided by sigma", **_FLAG)
    ncsnpp.add_argument("--centred", help="the training images were centred about 0", **_FLAG)
    ncsnpp.add_argument("--activation", choices=ACTIVATIONS, default="", help="non-linearity")
    noise = parser.add_argument_group("noise")
    noise.add_argument("--timesteps", help="of a network with timesteps", **_COUNT)
    noise.add_argument("--betas", help="first and last beta of its schedule", **_PAIR)
    noise.add_argument("--schedule", choices=SCHEDULES, default="", help="how the betas rise")
    noise.add_argument("--prediction", choices=PREDICTIONS, default="", help="what it predicts")
    noise.add_argument("--preconditioning", choices=PRECONDITIONINGS, default="", help="of a network of EDM's")
    noise.add_argument(
        "--data-deviation", type=float, default=0.0, metavar="S", help="standard deviation of its training data"
    )
    noise.add_argument("--sigma-range", help="noise levels in the range of a network of EDM's", **_PAIR)


def read_import(args: argparse.Namespace) -> ImportOptions:
    """The options that were given.

    Raises:
        ValueError: one of them makes no sense.
    """
    from ..priors.packs.importing.options import ImportOptions

    values = {name: value for name, value in vars(args).items() if name in ImportOptions.__dataclass_fields__}
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    values["layout"] = "" if args.layout == "auto" else args.layout
    return ImportOptions(**values)
