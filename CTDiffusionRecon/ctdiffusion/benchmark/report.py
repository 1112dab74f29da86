"""The benchmark's figures as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def markdown(result: dict[str, Any]) -> str:
    """Tables of everything in a result of `run_benchmark`, the machine named by its kind."""
    machine = result["machine"]
    parts = [
        "# Benchmark",
        "",
        f"{machine['kind']}; {machine['threads']} threads; Python {machine['python']}, torch {machine['torch']}, "
        f"numba {machine['numba'] or 'absent'}; load before the run {machine['load'] or 'unknown'}.",
        "Medians of interleaved calls, for the whole stack. A call that took more than 5 s was made once.",
        "",
    ]
    if result.get("projectors"):
        parts += ["## Projectors", "", _projectors(result["projectors"]), ""]
    if result.get("networks"):
        parts += ["## Networks", "", _networks(result["networks"]), ""]
        parts += ["## Where the time of DDS goes", "", _splits(result["networks"]), ""]
    if result.get("scaling"):
        parts += ["## Growth", "", _scaling(result["scaling"]), ""]
    if result["notes"]:
        parts += ["## Notes", "", *[f"* {note}" for note in result["notes"]], ""]
    return "\n".join(parts)


def _projectors(rows: list[dict[str, Any]]) -> str:
    head = ("geometry", "views", "volume", "projector", "set-up", "forward", "ratio", "adjoint", "ratio", "calls")
    body = [
        (
            r["geometry"],
            r["views"],
            _shape(r["shape"]),
            r["projector"] + (f" ({r['backend']})" if r["backend"] != r["projector"] else ""),
            _seconds(r["setup_s"]),
            _seconds(r["forward_s"]),
            f"{r['forward_ratio']:.2f}",
            _seconds(r["adjoint_s"]),
            f"{r['adjoint_ratio']:.2f}",
            f"{r['forward_runs']}, {r['adjoint_runs']}",
        )
        for r in rows
    ]
    return _table(head, body)


def _networks(rows: list[dict[str, Any]]) -> str:
    head = ("prior", "slices", "per slice and evaluation", "calls")
    return _table(
        head, [(r["prior"], _shape(r["shape"]), _seconds(r["seconds_per_slice"]), r["runs"]) for r in rows]
    )


def _splits(rows: list[dict[str, Any]]) -> str:
    head = ("prior", "slices", "steps", "total", "network", "projector", "reading, writing", "other", "peak memory")
    body = []
    for row in rows:
        s = row["split"]
        times = [_seconds(s[name]) for name in ("total_s", "network_s", "projector_s", "io_s", "other_s")]
        memory = s["peak_gpu_bytes"] or s["peak_process_bytes"]
        body.append((row["prior"], _shape(row["shape"]), s["steps"], *times, _bytes(memory)))
    return _table(head, body)


def _scaling(rows: list[dict[str, Any]]) -> str:
    head = ("geometry", "varied", "volume", "views", "back end", "set-up", "forward", "adjoint", "FBP", "peak memory")
    body = [
        (
            r["geometry"],
            f"{r['varied']} = {r['value']}",
            _shape(r["shape"]),
            r["views"],
            r["backend"],
            *(_seconds(r[name]) for name in ("setup_s", "forward_s", "adjoint_s", "fbp_s")),
            _bytes(r["peak_bytes"]),
        )
        for r in rows
    ]
    return _table(head, body)


def _table(head: Sequence[str], body: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _shape(shape: Sequence[int]) -> str:
    slices, rows, columns = shape
    return f"{columns} x {rows} x {slices}"


def _seconds(value: float) -> str:
    return f"{value * 1000:.3g} ms" if value < 1.0 else f"{value:.3g} s"


def _bytes(value: int | None) -> str:
    return "-" if value is None else f"{value / 1e6:.0f} MB"
