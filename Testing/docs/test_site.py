"""The documentation: pages from the registry, numbers that are those of the notes, examples that run, a clean build."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
EXAMPLES = sorted((DOCS / "examples").glob("*.py"))
ONE_CORE = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "MPLBACKEND": "agg", "PYTHONUTF8": "1"}


def child(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(ROOT / "CTDiffusionRecon"), str(DOCS)])
    environment = {**os.environ, **ONE_CORE, "PYTHONPATH": paths}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, encoding="utf-8", check=False)


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """What `docs/pages` makes, in a process of its own: other tests add methods to this one's registry."""
    done = child("-c", "import json, pages; print(json.dumps(pages.contents()))")
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def numbers() -> list[dict[str, str]]:
    entries: list[dict[str, str]] = json.loads((DOCS / "results" / "index.json").read_text(encoding="utf-8"))
    return entries


def cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip().replace("**", "").replace("`", "") for cell in line.strip().strip("|").split("|"))


def test_every_method_has_a_page_with_its_algorithm(made: dict[str, str]) -> None:
    code = "from ctdiffusion.methods.registry import methods; print(*methods(), *methods('superresolution'))"
    listed = child("-c", code)
    names = listed.stdout.split()
    pages = {name: text for name, text in made.items() if name.startswith("methods/") and "/table-" not in name}
    assert len(names) == len(pages) >= 23
    for name, text in pages.items():
        algorithm = text.partition("## Algorithm\n")[2].partition("## Parameters\n")[0]
        assert "```text\n" in algorithm or re.search(r"^ {4}\S", algorithm, re.MULTILINE), name
    assert "| `cg_iterations` | 10 | whole number, 1 to 200 |" in pages["methods/dds.md"]


def test_a_page_says_where_the_method_stands(made: dict[str, str]) -> None:
    row = next(line for line in made["methods/dds-tv.md"].splitlines() if "(#results-fan-30)" in line)
    assert row.endswith("| DDS+TV | 33.96 | 0.913 | 42.2 | 0.0063 | 1 of 8 |")
    assert "1 of 5" in made["methods/superresolution-zsr.md"]


@pytest.mark.parametrize("entry", numbers(), ids=lambda entry: entry["name"])
def test_numbers_are_those_of_the_note(entry: dict[str, str]) -> None:
    import csv

    note = (DOCS / entry["note"]).read_text(encoding="utf-8")
    known = {cells(line) for line in note.splitlines() if line.startswith("|")}
    with open(DOCS / "results" / f"{entry['name']}.csv", newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    first = 1 if head[0] == "id" else 0
    assert rows
    for row in rows:
        assert tuple(row[first:]) in known, row


def test_files_of_numbers_and_index_are_the_same() -> None:
    assert {entry["name"] for entry in numbers()} == {file.stem for file in (DOCS / "results").glob("*.csv")}
    for entry in numbers():
        script = re.search(r"Testing/\S+\.py", entry["made_by"])
        assert script is None or (ROOT / script[0]).is_file(), entry["made_by"]


def test_every_algorithm_belongs_to_a_method(made: dict[str, str]) -> None:
    assert {f"methods/{file.name}" for file in (DOCS / "algorithms").glob("*.md")} <= set(made)


def test_pages_link_to_what_exists(made: dict[str, str]) -> None:
    """Links between Markdown files, without Sphinx."""
    made_folders, parts = ("gallery",), ("generated", "algorithms")
    written = [file for file in DOCS.rglob("*.md") if file.relative_to(DOCS).parts[0] not in parts]
    for file in written:
        if file.parent.name == "development":
            continue
        for target in re.findall(r"\]\(([^)#\s]+)\)", file.read_text(encoding="utf-8")):
            if target.startswith(("http://", "https://", "#")):
                continue
            place = (DOCS / target[1:] if target.startswith("/") else file.parent / target).resolve()
            inside = place.relative_to(DOCS).as_posix() if place.is_relative_to(DOCS) else ""
            assert place.exists() or inside in made or inside.startswith(made_folders), f"{file.name}: {target}"


def test_notebooks_are_stored_without_outputs() -> None:
    notebooks = sorted((DOCS / "notebooks").glob("*.ipynb"))
    assert len(notebooks) >= 2
    for file in notebooks:
        code = [c for c in json.loads(file.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
        assert code and not any(cell["outputs"] or cell["execution_count"] for cell in code), file.name


def test_nothing_is_fetched_while_it_builds() -> None:
    assert "intersphinx" not in (DOCS / "conf.py").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.stem)
def test_example_runs(script: Path, tmp_path: Path) -> None:
    done = child(str(script), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "misfit" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("notebook", sorted((DOCS / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_runs(notebook: Path, tmp_path: Path) -> None:
    written = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in written if cell["cell_type"] == "code"]
    script = tmp_path / "notebook.py"
    script.write_text("\n".join(sources), encoding="utf-8")
    done = child(str(script), cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """All but examples and notebooks, which have tests of their own."""
    for package in ("sphinx", "myst_nb", "furo", "sphinx_gallery"):
        pytest.importorskip(package, reason="the documentation's packages are not installed (run.py docs)")
    options = ["-q", "-W", "--keep-going", "-D", "nb_execution_mode=off", "-D", "plot_gallery=0"]
    done = child("-m", "sphinx", *options, "-d", str(tmp_path / "trees"), str(DOCS), str(tmp_path / "site"))
    assert done.returncode == 0, done.stderr
    assert "Decomposed diffusion sampling" in (tmp_path / "site" / "methods" / "dds.html").read_text(encoding="utf-8")
