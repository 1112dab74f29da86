"""Imported priors in the reconstruction methods: those that fit run, the others are refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ctdiffusion.core.monitor import Monitor
from ctdiffusion.core.noise import NoiseSource
from ctdiffusion.core.schema import from_mapping
from ctdiffusion.methods.problem import Problem
from ctdiffusion.methods.registry import methods
from ctdiffusion.operators.factory import make_operator
from ctdiffusion.priors import kinds
from ctdiffusion.priors.packs.importing import child, convert
from ctdiffusion.priors.packs.importing.convert import ImportOptions, import_prior
from ctdiffusion.priors.packs.joining import join_packs
from ctdiffusion.priors.packs.pack import load_pack
from ctdiffusion.scan.beams import FanBeam, Grid, equispaced
from ctdiffusion.scan.projections import Projections
from methods.test_dds import small_problem
from priors.packs.importing.checkpoints import prefixed, random_network, save, score_sde

ADM = {"class": "ADMUNet", "width": 32, "multipliers": [1, 2], "blocks": 1, "attention_levels": [1]}
DDPM = {"class": "DDPMUNet", "width": 32, "multipliers": [1, 2], "blocks": 1}
NCSNPP = {"class": "NCSNpp", "width": 8, "multipliers": [1, 2], "blocks": 1}


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A DDS, a DiffusionBlend, an ISCS, an MSDiff and a CvG-Diff prior."""
    folder = tmp_path_factory.mktemp("checkpoints")
    blend = random_network({**ADM, "channels": 3, "outputs": 6, "labels": 9})
    files = {
        "dds-aapm256": save(prefixed(random_network(ADM)), folder / "dds.pt"),
        "diffusionblend-aapm": save({"iterations": 1, "state_dict": prefixed(blend)}, folder / "blend.pt"),
        "iscs-ct": save(score_sde(random_network(NCSNPP)), folder / "iscs.pth"),
        "cvgdiff": save({"net_param": prefixed(random_network(DDPM), "denoise_fn.")}, folder / "cvg.pkl"),
        "msdiff": save(
            score_sde(random_network({**NCSNPP, "input_pyramid": "input_skip", "output_pyramid": "output_skip"})),
            folder / "msdiff.pth",
        ),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CTDIFFUSION_PRIORS", str(folder / "store"))
        patch.setattr(child, "limit", lambda *_: None)
        patch.setattr(convert.subprocess, "run", lambda command, **_: child.main(command[3:]))
        return {name: import_prior(file, ImportOptions(despite_trial=True)).folder for name, file in files.items()}


@pytest.mark.parametrize(
    ("method", "pack"),
    [
        ("dds", "dds-aapm256"),
        ("iscs", "dds-aapm256"),
        ("iscs", "iscs-ct"),
        ("dds", "diffusionblend-aapm"),
        ("diffusionblend++", "diffusionblend-aapm"),
        ("dps", "dds-aapm256"),
        ("dps", "iscs-ct"),
        ("dps", "diffusionblend-aapm"),
    ],
)
def test_an_imported_prior_serves_methods_of_other_papers(packs: dict[str, Path], method: str, pack: str) -> None:
    prior = load_pack(packs[pack])
    calls = []
    prior._denoiser.register_forward_hook(lambda *_: calls.append(1))
    chosen = methods()[method]
    problem = small_problem(3, prior)
    result = chosen.run(problem, from_mapping(chosen.parameters, {"steps": 3}, "test"))
    assert result.shape == problem.grid.shape and bool(torch.isfinite(result).all())
    assert len(calls) >= 3


@pytest.mark.parametrize("pack", ["dds-aapm256", "iscs-ct", "diffusionblend-aapm"])
def test_gradients_go_through_imported_networks(packs: dict[str, Path], pack: str) -> None:
    """<g, D(x + h v) - D(x - h v)> / 2 h = <v, (dD / dx)' g>."""
    prior = load_pack(packs[pack])
    x, v, g = torch.randn((3, 2, 16, 16), generator=torch.Generator().manual_seed(0))
    h = 1e-2
    ahead, behind = (prior.predict_x0(x + step * v, 0.5, 1.0) for step in (h, -h))
    expected = float((g.double() * (ahead - behind).double()).sum()) / (2.0 * h)
    found = float((v.double() * prior.pull_back(x, g, 0.5, 1.0).double()).sum())
    assert found == pytest.approx(expected, rel=2e-2)


def test_a_sinogram_prior_is_refused_by_image_methods(packs: dict[str, Path]) -> None:
    chosen = methods()["dds"]
    with pytest.raises(ValueError, match="sinograms"):
        chosen.run(small_problem(2, load_pack(packs["msdiff"])), from_mapping(chosen.parameters, {}, "test"))


@pytest.mark.parametrize(
    ("method", "pack", "views", "source"), [("cvg", "cvgdiff", 18, 1075.0), ("gmsd", "msdiff", 72, 1000.0)]
)
def test_priors_of_one_scan_serve_that_scan_alone(
    packs: dict[str, Path], method: str, pack: str, views: int, source: float
) -> None:
    chosen = methods()[method]
    prior = kinds.load_prior(str(packs[pack]), chosen.prior_kind, "", method, "cpu")
    grid = Grid((1, 16, 16), (1.5, 1.5, 1.5))
    for distance in (source, 0.5 * source):
        geometry = FanBeam(equispaced(views), 1.5 * distance, 3.0 * distance, 32, 3.0)
        operator = make_operator(geometry, grid)
        data = operator.forward(torch.full(grid.shape, 0.02))
        projections = Projections(data, geometry, torch.full_like(data, 1e-4), simulated=True)
        problem = Problem(projections, operator, grid, NoiseSource(0), Monitor(), prior)
        parameters = from_mapping(chosen.parameters, {"steps": 2} if method == "gmsd" else {}, "test")
        if distance == source:
            assert bool(torch.isfinite(chosen.run(problem, parameters)).all())
        else:
            with pytest.raises(ValueError, match="trained for another scan"):
                chosen.run(problem, parameters)


def test_the_two_published_sinogram_models_serve_msdiff_once_joined(
    packs: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CTDIFFUSION_PRIORS", str(tmp_path))
    alone = packs["msdiff"]
    joined = join_packs("msdiff-pair", str(alone), str(alone))
    chosen, grid = methods()["msdiff"], Grid((1, 16, 16), (1.5, 1.5, 1.5))
    geometry = FanBeam(equispaced(72), 1500.0, 3000.0, 32, 3.0)
    operator = make_operator(geometry, grid)
    projections = Projections(operator.forward(torch.full(grid.shape, 0.02)), geometry, simulated=True)
    for pack, fits in ((joined, True), (alone, False)):
        prior = kinds.load_prior(str(pack), chosen.prior_kind, "", "msdiff", "cpu")
        problem = Problem(projections, operator, grid, NoiseSource(0), Monitor(), prior)
        parameters = from_mapping(chosen.parameters, {"steps": 2}, "test")
        if fits:
            assert bool(torch.isfinite(chosen.run(problem, parameters)).all())
        else:
            with pytest.raises(ValueError, match="takes 1 slices with labels 0, not 1 with label 1"):
                chosen.run(problem, parameters)
