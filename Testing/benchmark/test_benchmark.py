"""The benchmark measures what it says: its yardsticks compute the same thing, its figures are complete."""

from __future__ import annotations

import importlib
import json
import statistics
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from ctdiffusion.benchmark import projectors, run_benchmark
from ctdiffusion.benchmark.projectors import OWN, candidates, scan_of
from ctdiffusion.benchmark.report import markdown
from ctdiffusion.benchmark.scaling import peak_bytes
from ctdiffusion.benchmark.timing import interleaved
from ctdiffusion.commands.main import main
from ctdiffusion.operators.factory import make_operator
from ctdiffusion.scan.beams import Geometry, Grid
from ctdiffusion.scan.machines import KINDS

CPU = torch.device("cpu")
COMPARISONS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def comparison(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that compares with other libraries."""
    monkeypatch.syspath_prepend(str(COMPARISONS))
    return importlib.import_module("other_projectors")


@pytest.mark.parametrize("kind", KINDS)
def test_yardsticks_compute_the_same(kind: str, comparison: ModuleType) -> None:
    """A faster answer to another question would be no comparison; other libraries count where they are installed."""
    grid = Grid((12, 40, 40), (1.5, 1.5, 1.5))
    geometry = scan_of(kind, 7, grid)
    z, y, x = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in grid.shape), indexing="ij")
    volume = torch.exp(-((x - 0.2) ** 2 + (y + 0.1) ** 2 + (z - 0.1) ** 2) / 0.18)
    makers = {**candidates(geometry, grid, CPU), **comparison.references(geometry, grid, CPU)}
    made = {name: make() for name, make in makers.items()}
    assert len(made) >= 2
    forward = {name: projector.forward(volume) for name, projector in made.items()}
    adjoint = {name: projector.adjoint(forward[OWN]) for name, projector in made.items()}
    # Back-projections of a few views are grainy, each in its own way.
    for results, bound in ((forward, 0.05), (adjoint, 0.12)):
        for name, result in results.items():
            difference = float((result - results[OWN]).norm() / results[OWN].norm())
            assert difference < bound, (kind, name, difference)


def test_peak_memory_is_that_of_the_work() -> None:
    """At least the volume, the projections and the matrix; not the interpreter with torch in it."""
    grid = Grid((64, 128, 128), (1.5, 1.5, 1.5))
    peak = peak_bytes("parallel", 30, grid)
    arrays = 4 * (64 * 128 * 128 + 64 * 30 * scan_of("parallel", 30, grid).columns)
    assert peak is not None and arrays < peak < 40 * arrays


def test_candidates_take_turns_and_slow_ones_run_once() -> None:
    order: list[str] = []
    times = interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3, CPU)
    assert order == ["a", "b"] * 4
    assert times["a"].runs == 3
    assert interleaved({"c": lambda: order.append("c")}, 3, CPU, slow=-1.0)["c"].runs == 1
    assert order[-1] == "c" and order[-2] == "b"


def test_quick_run_is_complete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(tmp_path / "figures.json"), str(tmp_path / "tables.md")]
    assert main(["benchmark", "--quick", "--repeats", "1", "--json", files[0], "--markdown", files[1]]) == 0
    result = json.loads(Path(files[0]).read_text())
    own = [row for row in result["projectors"] if row["projector"] == OWN]
    assert {(r["geometry"], r["views"]) for r in own} == {(k, v) for k in KINDS for v in (3, 6)}
    for row in result["projectors"]:
        assert row["forward_s"] > 0 and row["adjoint_s"] > 0
    assert all(row["forward_ratio"] == row["adjoint_ratio"] == 1.0 for row in own)
    assert {(r["geometry"], r["varied"]) for r in result["scaling"]} == {
        (kind, varied) for kind in ("fan", "cone") for varied in ("slices", "views", "size")
    }
    for row in result["networks"]:
        parts = row["split"]
        total = sum(parts[name] for name in ("network_s", "projector_s", "io_s", "other_s"))
        assert total == pytest.approx(parts["total_s"]) and parts["network_s"] > 0 and row["seconds_per_slice"] > 0
    assert result["networks"] or any("prior" in note for note in result["notes"])
    tables = Path(files[1]).read_text(encoding="utf-8")
    assert "## Projectors" in tables and "## Growth" in tables
    assert tables.strip() in capsys.readouterr().out


def test_the_command_times_its_own_projectors_only() -> None:
    """What else can project is given to it by whoever compares, and appears beside ours with its ratio."""
    foreign = {name for name in sys.modules if name.split(".")[0] in ("astra", "itk")}
    result = run_benchmark(quick=True, parts=("projectors",), repeats=1, device="cpu")
    assert {row["projector"] for row in result["projectors"]} == {OWN, "torch grid_sample"}
    assert result["notes"] == []
    assert {name for name in sys.modules if name.split(".")[0] in ("astra", "itk")} == foreign
    asked = []

    def others(geometry: Geometry, grid: Grid, device: torch.device) -> projectors.Candidates:
        asked.append((geometry.kind, geometry.views))
        return {"again": lambda: make_operator(geometry, grid, device)}

    rows, _ = projectors.compare_projectors(Grid((2, 16, 16), (2.0, 8.0, 8.0)), (4,), 1, CPU, lambda text: None, others)
    assert asked == [("parallel", 4), ("fan", 4), ("fan", 4), ("cone", 4)]
    again = [row for row in rows if row["projector"] == "again"]
    assert len(again) == 4 and all(row["forward_s"] > 0 and row["forward_ratio"] > 0 for row in again)


def test_the_comparison_with_other_libraries_runs(
    comparison: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them has to be installed: what is missing is said."""
    monkeypatch.setattr(sys.modules["references"], "find_spec", lambda name: None)
    comparison.main(
        ["--shape", "2", "16", "16", "--spacing", "8", "--views", "3", "--repeats", "1", "--json", f"{tmp_path}/a.json"]
    )
    result = json.loads((tmp_path / "a.json").read_text())
    assert {(row["geometry"], row["views"]) for row in result["projectors"]} == {(kind, 3) for kind in KINDS}
    assert result["notes"] == ["not installed, or not for this device: astra-toolbox, itk-rtk"]
    assert "astra-toolbox, itk-rtk" in capsys.readouterr().out


def test_what_would_take_too_long_is_left_out_with_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projectors, "PATIENCE", 0.0)
    rows, notes = projectors.compare_projectors(Grid((2, 16, 16), (2.0, 8.0, 8.0)), (4, 2), 1, CPU, lambda text: None)
    assert {r["projector"] for r in rows if r["views"] == 4} == {OWN}
    assert len({r["projector"] for r in rows if r["views"] == 2}) >= 2
    assert any(note.startswith("torch grid_sample, cone, 4 views: left out") for note in notes)


def test_bad_requests_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="parts:"):
        run_benchmark(parts=("speed",))
    with pytest.raises(ValueError, match="repeats"):
        run_benchmark(repeats=0)
    assert main(["benchmark", "--quick", "--json", str(tmp_path / "absent" / "x.json")]) == 2


def test_own_projector_is_fast() -> None:
    """A generous bar, interleaved so that a loaded machine slows both alike."""
    grid = Grid((16, 128, 128), (1.5, 1.5, 1.5))
    geometry = scan_of("parallel", 15, grid)
    made = {name: make() for name, make in candidates(geometry, grid, CPU).items()}
    x = torch.rand(grid.shape)
    calls = {name: (lambda p=made[name]: p.forward(x)) for name in (OWN, "torch grid_sample")}
    times = interleaved(calls, 3, CPU)
    assert times["torch grid_sample"].seconds > 3.0 * times[OWN].seconds


def test_tables_hold_the_medians() -> None:
    """What is printed is what was measured."""
    row = {
        "geometry": "fan", "views": 30, "shape": [64, 256, 256], "projector": OWN, "backend": "csr", "setup_s": 0.1,
        "forward_s": statistics.median([0.02, 0.03, 0.5]), "forward_runs": 3, "forward_ratio": 1.0,
        "adjoint_s": 1.25, "adjoint_runs": 1, "adjoint_ratio": 1.0,
    }  # fmt: skip
    machine = {"kind": "x86_64 CPU, 2 cores", "threads": 2, "python": "3.11", "torch": "2", "numba": None, "load": None}
    text = markdown({"machine": machine, "notes": ["a note"], "projectors": [row]})
    assert "| fan | 30 | 256 x 256 x 64 | ctdiffusion (csr) | 100 ms | 30 ms | 1.00 | 1.25 s | 1.00 | 3, 1 |" in text
    assert "* a note" in text and "numba absent" in text
