"""Folders of the package diffusers, with a stand-in for the package where it is not installed."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import pytest
import torch
from ctdiffusion.priors.packs.importing import diffusers
from ctdiffusion.priors.packs.importing.converted import Settings
from ctdiffusion.priors.packs.pack import build_network
from ctdiffusion.priors.parametrisation import build_denoiser
from safetensors.torch import save_file
from torch import nn

CONFIG = {
    "_class_name": "UNet2DModel",
    "_diffusers_version": "0.30.0",
    "in_channels": 1,
    "out_channels": 1,
    "block_out_channels": [8, 8],
}


class StandIn(nn.Module):
    """Takes the config as keywords and answers with `.sample`, as UNet2DModel does."""

    def __init__(self, in_channels: int, out_channels: int, block_out_channels: tuple[int, ...]) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, x: torch.Tensor, step: torch.Tensor, class_labels: object = None) -> types.SimpleNamespace:
        assert class_labels is None
        return types.SimpleNamespace(sample=self.conv_in(x) + step[:, None, None, None] / 1000.0)


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("diffusers")
    module.UNet2DModel = StandIn  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "diffusers", module)


def folder_of(path: Path, **config: object) -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({**CONFIG, **config}))
    tensors = {"conv_in.weight": torch.full((1, 1, 3, 3), 0.1), "conv_in.bias": torch.tensor([0.5])}
    save_file(tensors, str(path / "diffusion_pytorch_model.safetensors"))
    return path


def test_a_network_alone_has_the_schedulers_defaults(package: None, tmp_path: Path) -> None:
    found = diffusers.convert(folder_of(tmp_path / "model"), Settings())
    assert found.parametrisation == {"kind": "vp"} and found.told == ()
    assert set(found.tensors) == {"unet.conv_in.weight", "unet.conv_in.bias"}
    network = build_network(found.network, "test")
    network.load_state_dict(found.tensors)
    denoiser = build_denoiser(network, {**found.parametrisation, "data_range": [-1.0, 1.0]}, "test")
    assert (denoiser.channels, denoiser.pad_multiple()) == (1, 2)
    x = torch.rand(1, 1, 4, 4)
    estimate = denoiser(x, torch.tensor([0.1]), torch.zeros(1, dtype=torch.int64), torch.zeros(1))
    level = 0.2
    u = 2.0 * x - 1.0
    step = denoiser.timestep(torch.tensor([0.1]))  # type: ignore[operator]
    noise = network.unet.conv_in(u / (1.0 + level**2) ** 0.5) + step / 1000.0  # type: ignore[union-attr, operator]
    assert torch.allclose(estimate, ((u - level * noise) + 1.0) / 2.0, atol=1e-6)


def test_a_pipeline_tells_its_schedule(package: None, tmp_path: Path) -> None:
    folder_of(tmp_path / "pipeline" / "unet")
    (tmp_path / "pipeline" / "scheduler").mkdir()
    scheduler = {"num_train_timesteps": 500, "beta_schedule": "scaled_linear", "prediction_type": "v_prediction"}
    path = tmp_path / "pipeline" / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(scheduler))
    found = diffusers.convert(tmp_path / "pipeline", Settings())
    assert found.parametrisation["steps"] == 500
    assert found.told == ("timesteps", "betas", "schedule", "prediction")
    assert (found.parametrisation["schedule"], found.parametrisation["prediction"]) == ("scaled_linear", "v_prediction")
    path.write_text(json.dumps({**scheduler, "trained_betas": [0.1]}))
    with pytest.raises(ValueError, match="betas of its own"):
        diffusers.convert(tmp_path / "pipeline", Settings())


def test_other_models_and_folders_are_refused(package: None, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="UNet2DConditionModel"):
        diffusers.convert(folder_of(tmp_path / "other", _class_name="UNet2DConditionModel"), Settings())
    with pytest.raises(ValueError, match="surprise"):
        diffusers.convert(folder_of(tmp_path / "strange", surprise=1), Settings())
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no diffusers folder"):
        diffusers.convert(tmp_path / "empty", Settings())


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ValueError, match="pip install diffusers"):
        diffusers.convert(folder_of(tmp_path / "model"), Settings())


def test_the_package_itself() -> None:
    library = pytest.importorskip("diffusers", reason="the optional package diffusers is not installed")
    network = build_network(
        {
            "class": "DiffusersUNet",
            "config": {
                "sample_size": 16,
                "in_channels": 1,
                "out_channels": 1,
                "block_out_channels": [32, 64],
                "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
                "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
            },
        },
        "test",
    )
    assert isinstance(network.unet, library.UNet2DModel)
    assert network(torch.rand(1, 1, 16, 16), torch.tensor([3.5])).shape == (1, 1, 16, 16)
