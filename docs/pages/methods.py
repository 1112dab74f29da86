"""A page for every method of the registry, and the table of all.

The algorithm comes from the method's own file: its docstring, whose indented lines are the algorithm as the paper has
it. Where a docstring has none, `docs/algorithms/<name>.md` has.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from ctdiffusion.core.schema import describe
from ctdiffusion.jobs.tasks import TASKS
from ctdiffusion.methods.registry import RECONSTRUCTION, Method, methods
from ctdiffusion.priors.kind_names import WORDS

from .markdown import table
from .results import Table, places, read_tables
from .schema import fields_table

COLUMNS = ("PSNR", "SSIM", "RMSE", "misfit")


def slug(method: Method) -> str:
    """Name of a method's page; fit for an address."""
    plain = method.name.replace("+", "p")
    return plain if method.task == RECONSTRUCTION else f"{method.task}-{plain}"


def method_pages(docs: Path) -> dict[str, str]:
    """Files by name: a page for every method, and `table-<task>.md`, which lists them."""
    tables = read_tables(docs / "results")
    found = {}
    for task in TASKS:
        known = list(methods(task).values())
        found.update({f"{slug(method)}.md": page(method, docs, tables) for method in known})
        found[f"table-{task}.md"] = overview(known)
    return found


def overview(known: list[Method]) -> str:
    """The table of methods, with links to their pages."""
    rows = [(f"[{m.title}]({slug(m)}.md)", f"`{m.name}`", m.summary, "yes" if m.needs_prior else "no") for m in known]
    return table(("method", "name", "what it does", "prior"), rows)


def page(method: Method, docs: Path, tables: list[Table]) -> str:
    """The page of one method."""
    command = TASKS[method.task].command
    call = f"ctdiffusion {command} INPUT --method {method.name} -o JOB"
    parts = [
        f"# {method.title}",
        method.summary,
        _facts(method),
        f"```\n{call}\n```",
        "## Algorithm",
        algorithm(method, docs),
        "## Parameters",
        _parameters(method),
        *_presets(method),
        "## Measured",
        _measured(method, tables),
    ]
    return "\n\n".join(part.rstrip() for part in parts if part) + "\n"


def algorithm(method: Method, docs: Path) -> str:
    """What the method computes, in Markdown: its file's docstring, after a box from `docs/algorithms`, if it needs one.

    The first line of the docstring names the method and its source, which the page has already.
    """
    text = inspect.getdoc(sys.modules[_home(method)]) or ""
    head, _, body = text.partition("\n\n")
    if any(line.startswith("    ") for line in body.splitlines()):
        return body
    box = docs / "algorithms" / f"{slug(method)}.md"
    own = box.read_text(encoding="utf-8").strip() if box.is_file() else ""
    return "\n\n".join(part for part in (own, body) if part) or head


def _home(method: Method) -> str:
    """The module that registered a method: of its parameters, or of the function where those are shared."""
    return str(method.run.__module__)


def _facts(method: Method) -> str:
    prior = "none"
    if method.needs_prior:
        prior = f"{WORDS[method.prior_kind]}; `{method.default_prior}` unless another is named"
        if method.task != RECONSTRUCTION:
            prior = "a denoiser of images, of the volume's modality"
    facts = [f"* Source: {method.source}", f"* Prior: {prior}"]
    if method.task == RECONSTRUCTION:
        facts.append(f"* Beams: {', '.join(method.beams)}")
    return "\n".join(facts)


def _parameters(method: Method) -> str:
    fields = [(info.name, info) for info in describe(method.parameters)]
    told = "In the shell `_` becomes `-`: `--sigma-start`."
    return fields_table("parameter", fields) + "\n" + told if fields else "None."


def _presets(method: Method) -> list[str]:
    if not method.presets:
        return []
    rows = [
        (f"`{name}`", ", ".join(f"`{key}` {value}" for key, value in values.items()))
        for name, values in method.presets.items()
    ]
    return ["### Presets", table(("`--preset`", "sets"), rows)]


def _measured(method: Method, tables: list[Table]) -> str:
    rows = []
    for item in tables:
        if item.task != method.task:
            continue
        numbers = [item.column(name) for name in COLUMNS]
        for place in places(item, method.name):
            label = place.row[item.head.index("method")]
            cells = ["" if i is None else place.row[i] for i in numbers]
            measurement = f"[{item.title}](#results-{item.name})" + (f": {place.case}" if place.case else "")
            rows.append((measurement, label, *cells, f"{place.rank} of {place.of}"))
    if not rows:
        return "Not measured in the tables of [results](/results/index.md)."
    told = (
        "Place is by PSNR among the rows of the same measurement; settings of one method count as rows. "
        "Measurements differ in scan, slices and noise: compare within one, not across."
    )
    return table(("measurement", "setting", *COLUMNS, "place"), rows) + "\n" + told
