"""What the image-domain samplers cost beyond network and data consistency, and how their memory grows. Not a test.

    python Testing/benchmarks/sampler_cost.py VOLUME --out OUT.json [--slices 8] [--steps 6] [--methods dds iscs]
    python Testing/benchmarks/sampler_cost.py VOLUME --out OUT.json --slices 8 32 300 --steps 2 8 --views 30

One row per method, slice count and step count, each in a process of its own: seconds of the method, of the bare network
inside it, of data consistency, the rest as a share of the two, and the peak memory of the process beyond its start. The
volume is continued by its mirror image to the wanted slice count. The scan is the default cone beam.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ctdiffusion import pipeline
from ctdiffusion.acquisition.settings import SimulationSettings
from ctdiffusion.core import devices
from ctdiffusion.core.monitor import Monitor
from ctdiffusion.core.schema import from_mapping
from ctdiffusion.images.volume import Volume, read_volume
from ctdiffusion.jobs.provenance import peak_process_bytes
from ctdiffusion.methods.registry import method_named
from ctdiffusion.priors.packs.pack import load_pack, locate_pack
from ctdiffusion.scan.beams import equispaced
from ctdiffusion.scan.machines import default_geometry

METHODS = ("dds", "ddnm", "dds-tv", "iscs", "diffusionblend", "diffusionblend++", "diffpir", "dps")


class Stopwatch(Monitor):
    """Keeps the seconds of each part."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.parts[part] = self.parts.get(part, 0.0) + time.perf_counter() - started


def main() -> None:
    """Measure what is missing in the output file and print it as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("volume", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--slices", type=int, nargs="+", default=[8])
    parser.add_argument("--steps", type=int, nargs="+", default=[6])
    parser.add_argument("--views", type=int, default=30)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--threads", type=int, default=0, help="0: as many as there are cores")
    arguments = parser.parse_args()
    rows = json.loads(arguments.out.read_text()) if arguments.out.is_file() else []
    done = {(row["method"], row["slices"], row["steps"]) for row in rows}
    for method in arguments.methods:
        for slices in arguments.slices:
            for steps in arguments.steps:
                if (method, slices, steps) in done:
                    continue
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                    case = (arguments.volume, method, slices, steps, arguments.views, arguments.threads)
                    rows.append(pool.submit(measured, *case).result())
                arguments.out.write_text(json.dumps(rows, indent=1))
                print(rows[-1], flush=True)
    table(rows)


def measured(path: Path, name: str, slices: int, steps: int, views: int, threads: int) -> dict[str, Any]:
    """One row; run in a fresh process."""
    if threads:
        torch.set_num_threads(threads)
    method = method_named(name)
    prior = load_pack(locate_pack(method.default_prior))
    volume = continued(read_volume(path), slices)
    geometry = default_geometry("cone", equispaced(views, 2.0 * math.pi), volume.grid)
    before = peak_process_bytes()
    measurement = pipeline.simulated(volume, geometry, SimulationSettings(), 0)
    simulated = peak_process_bytes()
    operator = pipeline.operator_for(measurement, devices.resolve("cpu").device)
    bare = {"seconds": 0.0, "slices": 0}
    network = prior._denoiser

    def timed_forward(x: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        started = time.perf_counter()
        answer = type(network).forward(network, x, *rest)
        bare["seconds"] += time.perf_counter() - started
        bare["slices"] += x.shape[0]
        return answer

    network.forward = timed_forward  # type: ignore[method-assign]
    watch = Stopwatch()
    result = pipeline.run_method(
        measurement, operator, method, from_mapping(method.parameters, {"steps": steps}, "methods"), prior, 0, watch
    )
    after = peak_process_bytes()
    consistency = watch.parts["projector"]
    assert before is not None and simulated is not None and after is not None
    return {
        "method": name, "slices": slices, "steps": steps, "views": views, "seconds": result.seconds,
        "network_s": bare["seconds"], "network_stacks": bare["slices"], "consistency_s": consistency,
        "overhead": result.seconds / (bare["seconds"] + consistency) - 1.0,
        "peak_bytes": after - before, "simulation_peak_bytes": simulated - before, "process_bytes": after,
    }  # fmt: skip


def continued(volume: Volume, slices: int) -> Volume:
    """The volume cut, or continued by its mirror image, to a slice count."""
    count = volume.array.shape[0]
    period = [*range(count), *range(count - 2, 0, -1)]
    chosen = [period[k % len(period)] for k in range(slices)]
    return replace(volume, array=np.ascontiguousarray(volume.array[chosen]))


def table(rows: list[dict[str, Any]]) -> None:
    """The rows as Markdown."""
    head = ("method", "slices", "steps", "s", "network s", "data consistency s", "beyond both", "peak memory")
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for row in rows:
        print(
            f"| {row['method']} | {row['slices']} | {row['steps']} | {row['seconds']:.1f} | {row['network_s']:.1f} | "
            f"{row['consistency_s']:.1f} | {100 * row['overhead']:+.1f} % | {row['peak_bytes'] / 1e6:.0f} MB |"
        )


if __name__ == "__main__":
    main()
