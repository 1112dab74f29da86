"""How good the automatic weight of total variation is: PSNR over a sweep of strengths on the validation volumes.

PYTHONPATH=CTDiffusionRecon:Testing python Testing/benchmarks/tune_tv.py [--slices 6] [--views 30] [--photons 1e5]

Prints one Markdown row per volume, geometry and noise. Not run by the test suite. The sweep looks at the reference,
the method never does: what comes out of it are the constants in `ctdiffusion/methods/tv.py` and the table in docs.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
import torch
from ctdiffusion.acquisition.settings import SimulationSettings
from ctdiffusion.acquisition.simulate import simulate
from ctdiffusion.core.monitor import Monitor
from ctdiffusion.core.noise import NoiseSource
from ctdiffusion.images.volume import Volume, read_volume
from ctdiffusion.methods.fbp import FBPParameters
from ctdiffusion.methods.fbp import reconstruct as fbp
from ctdiffusion.methods.problem import Problem
from ctdiffusion.methods.tv import TVParameters
from ctdiffusion.methods.tv import reconstruct as tv
from ctdiffusion.operators.factory import make_operator
from ctdiffusion.quality.metrics import compare
from ctdiffusion.scan.beams import FULL_TURN, equispaced
from ctdiffusion.scan.machines import default_geometry
from shared_data import shared
from torch import Tensor

VOLUMES = ("crlm_1004", "acrin_flt_013", "pyradiomics_lung2")
STRENGTHS = (0.6, 1.25, 2.5, 5.0, 10.0)


def quality(reference: Volume, mu: Tensor, problem: Problem) -> tuple[float, float]:
    """PSNR and SSIM."""
    hu = problem.projections.scale.to_hu(mu.cpu().numpy()).astype(np.float32)
    values = compare(reference.like(hu), reference)
    return values["psnr"], values["ssim_axial"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=6, help="central slices of each volume")
    parser.add_argument("--views", type=int, default=30)
    parser.add_argument("--photons", type=float, default=1e5)
    parser.add_argument("--z-weights", type=float, nargs="*", default=[], help="also with these z weights")
    parser.add_argument("--only", default="", help="rows that contain this text")
    chosen = parser.parse_args()
    torch.set_grad_enabled(False)
    columns = ("volume", "geometry", "noise", "FBP", *(f"{s:g}" for s in STRENGTHS), "automatic", "SSIM", "loss")
    print(f"| {' | '.join(columns)} |")
    print("|" + "---|" * len(columns))
    for name in VOLUMES:
        whole = read_volume(shared(f"data/val/{name}_256.nii.gz"))
        first = (whole.array.shape[0] - chosen.slices) // 2
        reference = whole.slices(first, first + chosen.slices)
        for kind, arc in (("parallel", math.pi), ("fan", FULL_TURN)):
            geometry = default_geometry(kind, equispaced(chosen.views, arc), reference.grid)
            operator = make_operator(geometry, reference.grid)
            for noise in (True, False):
                label = f"| {name} | {kind} | {'yes' if noise else 'no'} |"
                if chosen.only not in label:
                    continue
                settings = SimulationSettings(photons=chosen.photons, noise=noise)
                projections = simulate(reference, geometry, settings, 0, first)
                problem = Problem(projections, operator, reference.grid, NoiseSource(0, first), Monitor())
                plain = quality(reference, fbp(problem, FBPParameters()), problem)[0]
                sweep = [quality(reference, tv(problem, TVParameters(strength=s)), problem)[0] for s in STRENGTHS]
                psnr, ssim = quality(reference, tv(problem, TVParameters()), problem)
                cells = [f"{v:.2f}" for v in (plain, *sweep, psnr)]
                row = f"{label} {' | '.join(cells)} | {ssim:.3f} | {max(*sweep, psnr) - psnr:.2f} |"
                for z in chosen.z_weights:
                    psnr, ssim = quality(reference, tv(problem, TVParameters(z_weight=z)), problem)
                    row += f" z {z:g}: {psnr:.2f} / {ssim:.3f} |"
                print(row, flush=True)


if __name__ == "__main__":
    main()
