"""Imported priors in the reconstruction methods: those that fit run, the others are refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ctdiffusion.methods.registry import methods
from ctdiffusion.parameters import from_mapping
from ctdiffusion.priors.importing import child, convert
from ctdiffusion.priors.importing.convert import ImportOptions, import_prior
from ctdiffusion.priors.pack import load_pack
from methods.test_dds import small_problem
from priors.importing.checkpoints import prefixed, random_network, save, score_sde

ADM = {"class": "ADMUNet", "width": 32, "multipliers": [1, 2], "blocks": 1, "attention_levels": [1]}
NCSNPP = {"class": "NCSNpp", "width": 8, "multipliers": [1, 2], "blocks": 1}


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A DDS, a DiffusionBlend, an ISCS and an MSDiff prior."""
    folder = tmp_path_factory.mktemp("checkpoints")
    blend = random_network({**ADM, "channels": 3, "outputs": 6, "labels": 9})
    files = {
        "dds-aapm256": save(prefixed(random_network(ADM)), folder / "dds.pt"),
        "diffusionblend-aapm": save({"iterations": 1, "state_dict": prefixed(blend)}, folder / "blend.pt"),
        "iscs-ct": save(score_sde(random_network(NCSNPP)), folder / "iscs.pth"),
        "msdiff": save(
            score_sde(random_network({**NCSNPP, "input_pyramid": "input_skip", "output_pyramid": "output_skip"})),
            folder / "msdiff.pth",
        ),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CTDIFFUSION_PRIORS", str(folder / "store"))
        patch.setattr(child, "limit", lambda *_: None)
        patch.setattr(convert.subprocess, "run", lambda command, **_: child.main(command[3:]))
        return {name: import_prior(file, ImportOptions()).folder for name, file in files.items()}


@pytest.mark.parametrize(
    ("method", "pack"),
    [
        ("dds", "dds-aapm256"),
        ("iscs", "dds-aapm256"),
        ("iscs", "iscs-ct"),
        ("dds", "diffusionblend-aapm"),
        ("diffusionblend++", "diffusionblend-aapm"),
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


def test_a_sinogram_prior_is_refused_by_image_methods(packs: dict[str, Path]) -> None:
    chosen = methods()["dds"]
    with pytest.raises(ValueError, match="a prior of CT sinograms, this method needs one of CT images"):
        chosen.run(small_problem(2, load_pack(packs["msdiff"])), from_mapping(chosen.parameters, {}, "test"))
