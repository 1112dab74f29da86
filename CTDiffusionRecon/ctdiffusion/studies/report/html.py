"""The report page: one HTML file that needs nothing else, neither network nor script."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from .entry import Entry
from .table import HEADINGS, rows

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2733; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid #d5dde6; text-align: right; }
th:first-child, td:first-child { text-align: left; } thead th { border-bottom: 2px solid #6b7c8f; }
table.facts td { text-align: left; vertical-align: top; overflow-wrap: anywhere; }
img { max-width: 100%; height: auto; } .notes li { margin: .3rem 0; }
"""

# Nothing may be loaded: the picture is inside, there are no scripts.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

READING = (
    "PSNR and SSIM: data range 2000 HU, values clipped to [-1000, 1000] HU; RMSE: HU as they are. All three inside the "
    "scan field of view (the disc inscribed in the slices) of the whole volume. Misfit: ||Ax - y|| / ||y|| of the "
    "result's own projections against the measurement; chi2: the same per ray against the noise variance, 1 where the "
    "result explains the measurement as well as the noise allows, a dash where that variance is unknown."
)


@dataclass(frozen=True)
class Page:
    """Everything on the page apart from the results.

    Attributes:
        title: heading.
        introduction: one paragraph.
        settings: how the measurement and the reconstruction were set up.
        provenance: inputs, code and package versions, weights, machine kind.
        notes: what a reader must know to judge the result (simulation, noise, warnings).
        attribution: whose data these are.
    """

    title: str
    introduction: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    provenance: Mapping[str, object] = field(default_factory=dict)
    notes: Sequence[str] = ()
    attribution: str = ""


def report_html(page: Page, entries: Sequence[Entry], picture: bytes) -> str:
    """The page as text; `picture` is a PNG, which is embedded."""
    title = escape(page.title)
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">',
        f"<title>{title}</title><style>{STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
        f"<p>{escape(page.introduction)}</p>" if page.introduction else "",
        "<h2>Results</h2>",
        _results(entries),
        f"<p><small>{escape(READING)}</small></p>",
        _notes(page.notes),
        "<h2>Pictures</h2>",
        f'<img alt="Reconstructions side by side" src="data:image/png;base64,{base64.b64encode(picture).decode()}">',
        _facts("Settings", page.settings),
        *(_facts(f"Parameters of {entry.label}", entry.settings) for entry in entries),
        _facts("Provenance", page.provenance),
        f"<h2>Attribution</h2><p>{escape(page.attribution)}</p>" if page.attribution else "",
        "</body></html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _results(entries: Sequence[Entry]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in HEADINGS)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows(entries))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    return '<h2>How to read this</h2><ul class="notes">' + "".join(f"<li>{escape(n)}</li>" for n in notes) + "</ul>"


def _facts(heading: str, facts: Mapping[str, object]) -> str:
    if not facts:
        return ""
    body = "".join(f"<tr><td>{escape(str(k))}</td><td>{escape(_plain(v))}</td></tr>" for k, v in facts.items())
    return f'<h2>{escape(heading)}</h2><table class="facts">{body}</table>'


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "-" if value is None else str(value)
