"""What the panel says about a method and its parameters, and how finely a number is shown. No Qt."""

import html
import math
import re

from ctdiffusion.core.schema import ParameterInfo
from ctdiffusion.methods.registry import Method

_LINKS = (
    (re.compile(r"\bdoi:(10\.[^\s;,]+)"), "https://doi.org/"),
    (re.compile(r"\barXiv:(\d{4}\.\d{4,5})"), "https://arxiv.org/abs/"),
)


def explanation_html(method: Method) -> str:
    """Summary of a method and its paper, with links, as rich text."""
    source = html.escape(method.source)
    for pattern, address in _LINKS:
        source = pattern.sub(rf'<a href="{address}\1">\g<0></a>', source)
    return f"{html.escape(method.summary)}<br/><i>{source}</i>"


def label_of(name: str) -> str:
    """A parameter's name as a person reads it: `cg_iterations` becomes `Cg iterations`, known shorts keep theirs."""
    words = [_SHORTS.get(word, word) for word in name.split("_")]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


_SHORTS = {"cg": "CG", "tv": "TV", "fbp": "FBP", "z": "z", "hu": "HU", "xy": "xy"}


def tooltip_of(parameter: ParameterInfo) -> str:
    """Text, range and default of a parameter, as rich text so that Qt breaks the lines."""
    parts = [html.escape(parameter.text)]
    unit = f" {parameter.unit}" if parameter.unit else ""
    low, high = parameter.low, parameter.high
    if low is not None and high is not None:
        parts.append(html.escape(f"From {low:g} to {high:g}{unit}."))
    default = parameter.default
    if default is None:
        shown = "automatic"
    elif isinstance(default, bool):
        shown = "on" if default else "off"
    else:
        shown = f"{default:g}{unit}" if isinstance(default, (int, float)) else str(default)
    parts.append(html.escape(f"Default: {shown}. Name in scripts: {parameter.name}."))
    return "<p>" + "</p><p>".join(parts) + "</p>"


def decimals_for(parameter: ParameterInfo) -> int:
    """Decimals that show the default and the low end of the range to two more digits than they need."""
    sizes = [v for v in (parameter.default, parameter.low) if isinstance(v, (int, float)) and v]
    smallest = min((abs(v) for v in sizes), default=1.0)
    return min(max(2 - math.floor(math.log10(smallest)), 2), 9)


def step_for(parameter: ParameterInfo) -> float:
    """A tenth of the default's size, as one spin box click."""
    default = parameter.default
    size = abs(default) if isinstance(default, (int, float)) and default else 1.0
    return 10.0 ** math.floor(math.log10(size))
