"""The tables of docs/notes/quality-learned.md: learned methods beside FBP and TV on the validation volumes. Not a test.

    python Testing/benchmarks/learned.py VAL_FOLDER OUT.json --views 18 36 72 --methods fbp tv fbpconvnet cvg

A method may carry a preset or values (`cvg:sequential`, `gmsd:steps=10,rule=predictor`) and another pack
(`fbpconvnet@cvg-256`). Rows are appended to OUT.json as soon as they are there; what stands in it already is not
computed again. `--table` prints the means. The scan is the reference fan of the CvG-Diff paper, or with
`--scan parallel` a parallel beam over half a turn; nothing is chosen with the truth.
"""

from __future__ import annotations

import argparse
import json
import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from ctdiffusion import pipeline
from ctdiffusion.acquisition.settings import SimulationSettings
from ctdiffusion.core import devices
from ctdiffusion.core.monitor import Monitor
from ctdiffusion.core.schema import from_mapping
from ctdiffusion.images.volume import read_volume
from ctdiffusion.methods.registry import method_named
from ctdiffusion.priors.kinds import AnyPrior, load_prior
from ctdiffusion.priors.restorer import Restorer
from ctdiffusion.quality.metrics import compare
from ctdiffusion.scan.beams import Geometry, Grid, equispaced
from ctdiffusion.scan.machines import default_geometry, reference_fan


class Counter:
    """Counts a prior's evaluations, in whole slices of the largest size that it was asked for."""

    def __init__(self, prior: AnyPrior) -> None:
        self.pixels = self.largest = 0
        for name in ("restore",) if isinstance(prior, Restorer) else ("predict_x0", "predict_stacks"):
            setattr(prior, name, self._counting(getattr(prior, name)))

    def _counting(self, function: Any) -> Any:
        def counted(x: Any, *arguments: Any) -> Any:
            self.pixels += x.numel()
            self.largest = max(self.largest, x.numel() // x.shape[0])
            return function(x, *arguments)

        return counted

    def of(self, slices: int) -> float:
        """Evaluations of a slice since the last call."""
        count = self.pixels / (self.largest * slices) if self.largest else 0.0
        self.pixels = 0
        return round(count, 1)


def parsed(text: str) -> tuple[str, str | None, dict[str, Any]]:
    """`name@pack:preset` or `name@pack:key=value,...` -> name, pack, parameters."""
    head, _, rest = text.partition(":")
    name, _, pack = head.partition("@")
    if rest and "=" not in rest:
        return name, pack or None, dict(method_named(name).presets[rest])
    pairs = (item.split("=", 1) for item in rest.split(",") if item)
    values: dict[str, Any] = {}
    for key, value in pairs:
        try:
            values[key] = json.loads(value)
        except json.JSONDecodeError:
            values[key] = value
    return name, pack or None, values


def main() -> None:
    """Compute what is missing, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("volumes", type=Path, help="folder of CT volumes")
    parser.add_argument("out", type=Path)
    parser.add_argument("--views", type=int, nargs="+", default=[18, 36, 72])
    parser.add_argument("--methods", nargs="+", default=["fbp", "tv", "fbpconvnet", "cvg"])
    parser.add_argument("--cases", nargs="+", default=["noise-free", "noise"], choices=["noise-free", "noise"])
    parser.add_argument("--slices", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="names of volumes (default: all)")
    parser.add_argument("--scan", default="fan", choices=["fan", "parallel"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    rows = json.loads(arguments.out.read_text()) if arguments.out.is_file() else []
    if arguments.table:
        table(rows)
        return
    done = {(r["volume"], r["views"], r["case"], r["method"], r["seed"]) for r in rows}
    priors: dict[str, tuple[AnyPrior, Counter]] = {}
    place = devices.resolve("cpu").device
    for path in sorted(arguments.volumes.glob("*.nii.gz")):
        name = path.name.split("_256")[0]
        if arguments.only and name not in arguments.only:
            continue
        whole = read_volume(path)
        first = (whole.array.shape[0] - arguments.slices) // 2
        slab = whole.slices(first, first + arguments.slices)
        for views, case, seed in product(arguments.views, arguments.cases, arguments.seeds):
            missing = [m for m in arguments.methods if (name, views, case, m, seed) not in done]
            if not missing:
                continue
            settings = SimulationSettings(noise=case == "noise")
            measurement = pipeline.simulated(slab, scan(arguments.scan, views, slab.grid), settings, seed, first)
            operator = pipeline.operator_for(measurement, place)
            for text in missing:
                chosen, pack, values = parsed(text)
                method = method_named(chosen)
                prior, counter = None, None
                if method.needs_prior:
                    key = pack or method.default_prior
                    if key not in priors:
                        loaded = load_prior(key, method.prior_kind, key, chosen, place)
                        priors[key] = (loaded, Counter(loaded))
                    prior, counter = priors[key]
                parameters = from_mapping(method.parameters, values, "methods")
                result = pipeline.run_method(measurement, operator, method, parameters, prior, seed, Monitor())
                everything = np.ones(slab.array.shape, bool)
                wide = compare(result.volume, slab, 3000.0, (-1000.0, 2000.0), everything)
                assert result.metrics is not None
                row = {
                    "volume": name, "views": views, "case": case, "method": text, "seed": seed,
                    "psnr": result.metrics["psnr"], "ssim": result.metrics["ssim_axial"],
                    "rmse_hu": result.metrics["rmse_hu"], "psnr_wide": wide["psnr_axial"],
                    "ssim_wide": wide["ssim_axial"], "misfit": result.misfit["relative"],
                    "evaluations": counter.of(arguments.slices) if counter else 0.0,
                    "seconds": result.seconds / arguments.slices,
                }  # fmt: skip
                rows.append(row)
                arguments.out.write_text(json.dumps(rows, indent=1))
                print(name, views, case, seed, text, f"{row['psnr']:.2f} dB", f"{row['seconds']:.1f} s", flush=True)


def scan(kind: str, views: int, grid: Grid) -> Geometry:
    """The scan of a view count."""
    if kind == "fan":
        return reference_fan(equispaced(views), grid)
    return default_geometry("parallel", equispaced(views, math.pi), grid)


def table(rows: list[dict[str, Any]]) -> None:
    """Means over the volumes, as Markdown."""
    head = "| views | case | method | PSNR dB | SSIM | RMSE HU | PSNR 3000/500 dB | misfit | evaluations | s a slice |"
    print(head + "\n|" + "---|" * 10)
    keys = list(dict.fromkeys((r["views"], r["case"], r["method"]) for r in rows))
    for views, case, method in sorted(keys, key=lambda k: (-k[0], k[1])):
        own = [r for r in rows if (r["views"], r["case"], r["method"]) == (views, case, method)]

        def mean(name: str, own: list[dict[str, Any]] = own) -> float:
            return float(np.mean([r[name] for r in own]))

        rmse = float(np.sqrt(np.mean([r["rmse_hu"] ** 2 for r in own])))
        print(
            f"| {views} | {case} | {method} | {mean('psnr'):.2f} | {mean('ssim'):.3f} | {rmse:.1f} | "
            f"{mean('psnr_wide'):.2f} | {mean('misfit'):.4f} | {mean('evaluations'):.1f} | {mean('seconds'):.1f} |"
        )


if __name__ == "__main__":
    main()
