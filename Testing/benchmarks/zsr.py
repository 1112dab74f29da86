"""The tables of docs/notes/zsr.md: z super-resolution of thick slices whose thin ones are known. Not a test.

    python Testing/benchmarks/zsr.py THIN --factors 3 5 [--rows 120:216] --methods bspline tv zsr zsr:planes=coronal
    python Testing/benchmarks/zsr.py THIN --thick THICK --factors 5 [--profile gaussian --profile-mm 4.7]

A method is NAME or NAME:OPTION=VALUE,OPTION=VALUE; `preset=published` is an option, too. Without --thick the thick
slices are means of the thin ones.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ctdiffusion.core.monitor import Monitor
from ctdiffusion.core.schema import describe, from_mapping
from ctdiffusion.images.volume import Volume, read_intensities, write_volume
from ctdiffusion.jobs.superresolution_spec import SuperResolutionSpec
from ctdiffusion.methods.registry import SUPERRESOLUTION, method_named
from ctdiffusion.priors.packs.pack import load_pack, locate_pack
from ctdiffusion.superresolution.pipeline import DEFAULT_PRIORS, superresolve, thick_input

SHOWN = ("psnr", "psnr_coronal", "psnr_sagittal", "ssim_axial", "ssim_coronal", "ssim_sagittal")
HEAD = ("factor", "method", "seed", "PSNR dB", "coronal", "sagittal", "SSIM ax.", "cor.", "sag.", "RMSE")
MORE = ("rough. z", "row", "column", "misfit", "s")


def main() -> None:
    """Run the table and print it as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("thin", type=Path)
    parser.add_argument("--thick", type=Path)
    parser.add_argument("--factors", type=int, nargs="+", default=[5])
    for axis in ("slices", "rows", "columns"):
        parser.add_argument(f"--{axis}", type=_range, default=slice(None), metavar="A:B")
    parser.add_argument("--profile", default="rectangle")
    parser.add_argument("--profile-mm", type=float)
    parser.add_argument("--methods", nargs="+", default=["linear", "bspline", "tv", "zsr"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--prior")
    parser.add_argument("--out", type=Path, help="folder for the volumes")
    arguments = parser.parse_args()
    part = (arguments.slices, arguments.rows, arguments.columns)
    thin = _part(read_intensities(arguments.thin), part)
    print("| " + " | ".join((*HEAD, *MORE)) + " |\n|" + "---|" * (len(HEAD) + len(MORE)))
    for factor in arguments.factors:
        spec = SuperResolutionSpec(
            str(arguments.thin),
            factor=factor,
            simulate_from_thin=arguments.thick is None,
            profile=arguments.profile,
            profile_mm=arguments.profile_mm,
        )
        if arguments.thick is None:
            given = thick_input(thin, arguments.thin.name, spec)
        else:
            thick = _part(read_intensities(arguments.thick), (slice(None), *part[1:]))
            given = replace(thick_input(thick, arguments.thick.name, spec), reference=thin)
        prior = load_pack(locate_pack(arguments.prior or DEFAULT_PRIORS[given.modality]))
        for text in arguments.methods:
            method, parameters = _method(text)
            for seed in arguments.seeds if method.needs_prior else [0]:
                result = superresolve(given, method, parameters, prior, seed, Monitor())
                metrics, reference = result.metrics, given.reference
                assert metrics is not None and reference is not None
                rmse = metrics.get("rmse_permille", metrics.get("rmse_hu", 0.0))
                rough = [_roughness(result.volume, a) / _roughness(reference, a) for a in range(3)]
                cells = [f"x{factor}", text, str(seed)]
                cells += [f"{metrics[name]:.4f}" if "ssim" in name else f"{metrics[name]:.2f}" for name in SHOWN]
                cells += [f"{rmse:.1f}", *(f"{r:.2f}" for r in rough)]
                cells += [f"{result.misfit['relative']:.1e}", f"{result.seconds:.0f}"]
                print("| " + " | ".join(cells) + " |", flush=True)
                if arguments.out is not None:
                    arguments.out.mkdir(parents=True, exist_ok=True)
                    name = "".join(c if c.isalnum() else "_" for c in f"x{factor}_{text}_{seed}")
                    write_volume(result.volume, arguments.out / f"{name}.nrrd")


def _roughness(volume: Volume, axis: int) -> float:
    """Mean absolute difference of neighbours along an axis of `[slice, row, column]`."""
    return float(np.abs(np.diff(volume.array, axis=axis)).mean())


def _part(volume: Volume, part: tuple[slice, slice, slice]) -> Volume:
    # The place in the patient does not matter here.
    return Volume(volume.array[part].copy(), volume.spacing)


def _range(text: str) -> slice:
    start, stop = (int(number) for number in text.split(":"))
    return slice(start, stop)


def _method(text: str) -> tuple[Any, Any]:
    name, _, rest = text.partition(":")
    method = method_named(name, SUPERRESOLUTION)
    kinds = {info.name: info.kind for info in describe(method.parameters)}
    values: dict[str, Any] = {}
    for item in rest.split(",") if rest else []:
        key, _, value = item.partition("=")
        if key == "preset":
            values |= method.presets[value]
        else:
            values[key] = value == "true" if kinds[key] is bool else kinds[key](value)
    return method, from_mapping(method.parameters, values, text)


if __name__ == "__main__":
    main()
