"""The quality tables of the documentation: methods on the validation volumes. A benchmark, not a test.

    python Testing/benchmarks/validate.py VAL_FOLDER --out OUT.json [--slices 8] [--views 30] [--scans parallel fan]

Every volume contributes its central slab. Settings are the methods' defaults; nothing is chosen with the truth.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from ctdiffusion.acquisition.settings import SimulationSettings
from ctdiffusion.images.volume import read_volume, write_volume
from ctdiffusion.priors.packs.pack import load_pack, locate_pack
from ctdiffusion.priors.prior import Prior
from ctdiffusion.quality.roughness import roughness_z
from ctdiffusion.scan.beams import Geometry, Grid, equispaced, limited_angle
from ctdiffusion.scan.machines import default_geometry
from ctdiffusion.studies.study import run_study
from learned import Counter, parsed

CASES = {
    "noise": SimulationSettings(),
    "noise-free": SimulationSettings(noise=False),
    "noise-free, same grid": SimulationSettings(noise=False, same_grid=True),
}
# Geometry and arc in degrees: (start, span) of a limited one.
SCANS: dict[str, tuple[str, float | tuple[float, float]]] = {
    "parallel": ("parallel", 180.0),
    "fan": ("fan", 360.0),
    "fan-curved": ("fan-curved", 360.0),
    "cone": ("cone", 360.0),
    "fan, 0 to 100 degrees": ("fan", (0.0, 100.0)),
    "cone, 0 to 100 degrees": ("cone", (0.0, 100.0)),
}
CASE = ("volume", "scan", "views", "case", "seed", "method")
SHOWN = {
    "psnr": "PSNR dB",
    "psnr_axial": "axial",
    "psnr_coronal": "coronal",
    "psnr_sagittal": "sagittal",
    "ssim": "SSIM",
    "ssim_coronal": "coronal",
    "ssim_sagittal": "sagittal",
    "rmse_hu": "RMSE HU",
    "roughness_z": "z rough.",
    "misfit": "misfit",
    "chi2": "chi2",
    "evaluations": "evaluations",
    "seconds": "s",
}


def main() -> None:
    """Run the table and print it as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("volumes", type=Path, nargs="+", help="CT volumes, or a folder of them")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--slices", type=int, default=8)
    parser.add_argument("--views", type=int, nargs="+", default=[30])
    parser.add_argument("--scans", nargs="+", default=["parallel", "fan"], choices=sorted(SCANS))
    parser.add_argument("--cases", nargs="+", default=["noise", "noise-free"], choices=sorted(CASES))
    text = "NAME[@PRIOR][:PRESET or :KEY=VALUE,...]"
    parser.add_argument("--methods", nargs="+", default=["fbp", "tv", "dds"], help=text)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--prior", default="ct-triplet-256")
    parser.add_argument("--keep", type=Path, help="folder for the reconstructed volumes")
    arguments = parser.parse_args()
    paths = [p for given in arguments.volumes for p in (sorted(given.glob("*.nii.gz")) if given.is_dir() else [given])]
    priors: dict[str, tuple[Prior, Counter]] = {}
    rows: list[dict[str, object]] = []
    print("| " + " | ".join((*CASE, *SHOWN.values())) + " |\n|" + "---|" * (len(CASE) + len(SHOWN)))
    for path in paths:
        whole = read_volume(path)
        start = max(0, (whole.array.shape[0] - arguments.slices) // 2)
        slab = whole.slices(start, min(start + arguments.slices, whole.array.shape[0]))
        for name, views, case, seed, method in (
            (name, views, case, seed, method)
            for name in arguments.scans
            for views in arguments.views
            for case in arguments.cases
            for seed in arguments.seeds
            for method in arguments.methods
        ):
            geometry = scan(name, views, slab.grid)
            base, pack, values = parsed(method)
            key = pack or arguments.prior
            if key not in priors:
                loaded = load_pack(locate_pack(key))
                priors[key] = (loaded, Counter(loaded))
            prior, counter = priors[key]
            (result,) = run_study(
                slab, geometry, CASES[case], [(base, values)], seed=seed, prior=prior, first_slice=start
            )
            row: dict[str, object] = {
                "volume": path.name.split(".")[0],
                "scan": name,
                "views": views,
                "case": case,
                "seed": seed,
                "method": method,
                **result.metrics,
                "roughness_z": roughness_z(result.volume, slab),
                "misfit": result.misfit["relative"],
                "chi2": result.misfit["chi2"],
                "evaluations": counter.of(slab.array.shape[0]),
                "seconds": result.seconds,
            }
            rows.append(row)
            if arguments.keep:
                arguments.keep.mkdir(parents=True, exist_ok=True)
                stem = "_".join(str(row[key]) for key in CASE).replace(" ", "-").replace(":", "-").replace(",", "")
                write_volume(result.volume, arguments.keep / f"{stem}.nrrd")
            cells = [row[key] for key in (*CASE, *SHOWN)]
            print("| " + " | ".join(map(cell, cells)) + " |", flush=True)
            arguments.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def scan(name: str, views: int, grid: Grid) -> Geometry:
    """The default geometry of a scan."""
    kind, arc = SCANS[name]
    if isinstance(arc, tuple):
        angles = limited_angle(views, *(math.radians(a) for a in arc))
    else:
        angles = equispaced(views, math.radians(arc))
    return default_geometry(kind, angles, grid)


def cell(value: object) -> str:
    """A cell of the table."""
    return f"{value:.4g}" if isinstance(value, float) else "-" if value is None else str(value)


if __name__ == "__main__":
    main()
