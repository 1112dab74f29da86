"""The quality table of docs/quality.md: FBP, TV and DDS on the validation volumes. A benchmark, not a test.

    python Testing/benchmarks/validate.py VAL_FOLDER OUT.json [--slices 8] [--views 30] [--geometries parallel fan]

Every volume contributes its central slab. Settings are the methods' defaults; nothing is chosen with the truth.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ctdiffusion.geometry import equispaced
from ctdiffusion.presets import default_geometry
from ctdiffusion.priors.pack import load_pack, locate_pack
from ctdiffusion.simulate import SimulationSettings
from ctdiffusion.study import run_study
from ctdiffusion.volume import read_volume

CASES = {
    "noise": SimulationSettings(),
    "noise-free": SimulationSettings(noise=False),
    "noise-free, same grid": SimulationSettings(noise=False, same_grid=True),
}
ARCS = {"parallel": 180.0, "fan": 360.0, "fan-curved": 360.0, "cone": 360.0}
KEPT = ("psnr", "ssim", "rmse_hu", "psnr_coronal", "psnr_sagittal")


def main() -> None:
    """Run the table and print it as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("volumes", type=Path, nargs="+", help="CT volumes, or a folder of them")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--slices", type=int, default=8)
    parser.add_argument("--views", type=int, default=30)
    parser.add_argument("--geometries", nargs="+", default=["parallel", "fan"], choices=sorted(ARCS))
    parser.add_argument("--cases", nargs="+", default=["noise", "noise-free"], choices=sorted(CASES))
    parser.add_argument("--methods", nargs="+", default=["fbp", "tv", "dds"])
    parser.add_argument("--prior", default="ct-triplet-256")
    arguments = parser.parse_args()
    paths = [p for given in arguments.volumes for p in (sorted(given.glob("*.nii.gz")) if given.is_dir() else [given])]
    prior = load_pack(locate_pack(arguments.prior))
    rows = []
    print("| volume | geometry | case | method | PSNR dB | SSIM | RMSE HU | misfit | chi2 | s |\n|" + "---|" * 10)
    for path in paths:
        whole = read_volume(path)
        start = max(0, (whole.array.shape[0] - arguments.slices) // 2)
        slab = whole.slices(start, start + arguments.slices)
        for kind in arguments.geometries:
            angles = equispaced(arguments.views, ARCS[kind] * 3.141592653589793 / 180.0)
            geometry = default_geometry(kind, angles, slab.grid)
            for case in arguments.cases:
                results = run_study(
                    slab, geometry, CASES[case], [(m, {}) for m in arguments.methods], prior=prior, first_slice=start
                )
                for result in results:
                    row = {
                        "volume": path.name.split(".")[0],
                        "geometry": kind,
                        "case": case,
                        "method": result.method,
                        **{name: result.metrics[name] for name in KEPT},
                        **result.misfit,
                        "seconds": result.seconds,
                    }
                    rows.append(row)
                    chi2 = "-" if row["chi2"] is None else f"{row['chi2']:.2f}"
                    print(
                        f"| {row['volume']} | {kind} | {case} | {row['method']} | {row['psnr']:.2f} "
                        f"| {row['ssim']:.3f} | {row['rmse_hu']:.1f} | {row['relative']:.4f} "
                        f"| {chi2} | {row['seconds']:.0f} |",
                        flush=True,
                    )
                    arguments.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
