"""The layouts of published checkpoints, and which one a checkpoint has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import adm, cvgdiff, edm, score_sde
from .choices import ADM, CVGDIFF, DIFFUSIONBLEND, EDM, LAYOUTS, SCORE_SDE
from .converted import Converted, Settings, option_text


@dataclass(frozen=True)
class Layout:
    """One layout of checkpoint files: how to recognise and how to convert it, and which settings mean something."""

    name: str
    recognises: Callable[[object], bool]
    convert: Callable[[Mapping[str, Any], Settings], Converted]
    options: frozenset[str]


# In the order in which they are tried.
FILE_LAYOUTS = (
    Layout(EDM, edm.recognises, edm.convert, edm.OPTIONS),
    Layout(SCORE_SDE, score_sde.recognises, score_sde.convert, score_sde.OPTIONS),
    Layout(DIFFUSIONBLEND, adm.recognises_wrapped, adm.convert_wrapped, adm.OPTIONS),
    Layout(CVGDIFF, cvgdiff.recognises, cvgdiff.convert, cvgdiff.OPTIONS),
    Layout(ADM, adm.recognises, adm.convert, adm.OPTIONS),
)


def convert(checkpoint: object, settings: Settings) -> Converted:
    """Convert a loaded checkpoint by the layout that the settings name, or by the one it has.

    Raises:
        ValueError: no layout fits, or the checkpoint does not fit its layout.
    """
    if not isinstance(checkpoint, Mapping):
        raise ValueError(f"the checkpoint holds a {type(checkpoint).__name__}, not named values")
    for layout in FILE_LAYOUTS:
        if settings.layout == layout.name or (not settings.layout and layout.recognises(checkpoint)):
            check_options(settings, layout.name, layout.options)
            return layout.convert(checkpoint, settings)
    if settings.layout:
        raise ValueError(f"layout {settings.layout} is a folder, not a file")
    shown = ", ".join(str(name)[:40] for name in list(checkpoint)[:5])
    raise ValueError(f"none of the layouts {', '.join(LAYOUTS)}; the checkpoint begins with: {shown or 'nothing'}")


def check_options(settings: Settings, layout: str, known: frozenset[str]) -> None:
    """Refuse settings that mean nothing for a layout, lest somebody believe that they did something.

    Raises:
        ValueError: names the first of them.
    """
    if foreign := sorted(settings.given() - known - {"layout"}):
        raise ValueError(f"{option_text(foreign[0])} means nothing for a checkpoint of layout {layout}")
