"""Computing time of whole jobs in two source trees, interleaved, and the ratio of their minima. Not a test.

    git worktree add OTHER 653d2cb
    python Testing/benchmarks/ratios.py VOLUME --before OTHER [--jobs dds tv fbp] [--repeats 2] [--out FILE.json]

Every run is the command line in a process of its own with one thread: user and system seconds of that process. The
first run of a tree compiles its kernels and is not counted (`--cold` counts it).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[2]
JOBS = {
    "dds": ["--method", "dds", "--views", "30", "--slices", "25:39"],
    "tv": ["--method", "tv", "--views", "30", "--slices", "25:39"],
    "fbp": ["--method", "fbp", "--views", "549"],
    "short": ["--method", "dds", "--views", "30", "--slices", "31:33", "--steps", "4"],
}


def run(tree: Path, volume: Path, job: str) -> tuple[float, dict[str, Any]]:
    """CPU seconds of one job in a process of its own, and its quality."""
    environment = {**os.environ, "PYTHONPATH": str(tree / "CTDiffusionRecon"), "CTDIFFUSION_PRIORS": ""}
    environment |= {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "job"
        command = [sys.executable, "-m", "ctdiffusion", "reconstruct", str(volume), "--geometry", "fan", *JOBS[job]]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*command, "-o", str(out)], check=True, env=environment, stdout=subprocess.DEVNULL, cwd=folder)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        metrics = json.loads((out / "status.json").read_text(encoding="utf-8"))["metrics"]
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, metrics


def main() -> None:
    """Run what was asked for and print a row per job."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("volume", type=Path)
    parser.add_argument("--before", type=Path, required=True, help="the other source tree")
    parser.add_argument("--jobs", nargs="+", choices=list(JOBS), default=["dds", "tv", "fbp"])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--cold", action="store_true", help="count the run that compiles the kernels")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    trees = {"before": arguments.before.resolve(), "after": HERE}
    rows = []
    for job in arguments.jobs:
        seconds: dict[str, list[float]] = {name: [] for name in trees}
        psnr: dict[str, float] = {}
        if not arguments.cold:
            for tree in trees.values():
                run(tree, arguments.volume.resolve(), "short")
        for _ in range(arguments.repeats):
            for name, tree in trees.items():
                used, metrics = run(tree, arguments.volume.resolve(), job)
                seconds[name].append(used)
                psnr[name] = metrics["psnr"]
        ratio = min(seconds["after"]) / min(seconds["before"])
        rows.append({"job": job, "seconds": seconds, "ratio": ratio, "psnr": psnr})
        print(
            f"{job}: {min(seconds['before']):.1f} -> {min(seconds['after']):.1f} s, ratio {ratio:.2f}; "
            f"PSNR {psnr['before']:.3f} -> {psnr['after']:.3f} dB",
            flush=True,
        )
        if arguments.out:
            arguments.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
