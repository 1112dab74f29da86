"""EDM's pickles: their tensors are read and nothing in them is run; what they tell of the network is believed."""

from __future__ import annotations

import contextlib
import pickle
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from ctdiffusion.commands import main as cli
from ctdiffusion.priors import trialimages
from ctdiffusion.priors.packs.importing import child, convert, edmpickle
from ctdiffusion.priors.packs.importing.convert import ImportOptions, import_prior
from ctdiffusion.priors.packs.importing.converted import Converted, NotThisNetwork, Settings
from ctdiffusion.priors.packs.importing.presets import PRESETS
from ctdiffusion.priors.packs.pack import build_network, load_pack, locate_pack, read_info
from ctdiffusion.priors.parametrisation import build_denoiser
from priors.packs.importing import edm_pickles
from priors.packs.importing.checkpoints import evaluate, random_network
from torch import Tensor

SONG: dict[str, Any] = {"class": "SongUNet", "resolution": 32, "width": 8, "multipliers": [1, 2], "blocks": 1}
BINOMIAL = [1.0, 3.0, 3.0, 1.0]
NETWORKS: list[dict[str, Any]] = [
    {**SONG, "attention_levels": [1]},
    {**SONG, "multipliers": [1, 1, 2], "blocks": 2, "channels": 3, "condition": 16, "labels": 4},
    {**SONG, "embedding": "fourier", "noise_features": 16, "encoder": "residual", "resample_filter": BINOMIAL},
    {**SONG, "encoder": "skip", "decoder": "skip", "resample_filter": BINOMIAL, "attention_levels": [0, 1]},
    {**SONG, "width": 16, "multipliers": [0.5, 1], "resolution": 48},
    {**SONG, "multipliers": [1], "blocks": 2},
]


def tensors_of(arguments: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors of a network as EDM stores them: with the filters of the layers that resample."""
    network = random_network(arguments)
    tensors = dict(network.state_dict())
    if "freqs" in str(list(tensors)):
        tensors["map_noise.freqs"] = torch.randn(len(tensors["map_noise.freqs"]))
    taps = torch.tensor(arguments.get("resample_filter", [1.0, 1.0]))
    kernel = (torch.outer(taps, taps) / taps.sum() ** 2)[None, None]
    for name in list(tensors):
        layer = name.rsplit(".", 2)[0]
        if name.endswith("conv0.weight") and layer.endswith(("_down", "_up")):
            tensors[f"{layer}.conv0.resample_filter"] = tensors[f"{layer}.skip.resample_filter"] = kernel.clone()
    return tensors


def loaded(path: Path, settings: Settings | None = None) -> Converted:
    return child.convert(path, settings or Settings())


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Convert in the test's own process, into a store of its own."""
    monkeypatch.setattr(child, "limit", lambda *_: None)
    monkeypatch.setenv("CTDIFFUSION_PRIORS", str(tmp_path / "store"))

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess(command, child.main(command[3:]))

    monkeypatch.setattr(convert.subprocess, "run", run)
    return tmp_path / "store"


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("arguments", NETWORKS)
def test_the_network_is_read_from_its_tensors(arguments: dict[str, Any], bare: bool, tmp_path: Path) -> None:
    tensors, canary = tensors_of(arguments), tmp_path / "canary"
    if bare:
        path = tmp_path / "state.pt"
        torch.save({f"model.{name}": value for name, value in tensors.items()}, path)
    else:
        path = edm_pickles.write(tmp_path / "network-snapshot-1.pkl", tensors, canary, sigma_data=0.5)
    found = loaded(path)
    assert found.layout == "edm" and not canary.exists()
    network, expected = build_network(found.network, "test"), build_network(arguments, "test")
    network.load_state_dict(found.tensors)
    expected.load_state_dict({name: value for name, value in tensors.items() if "resample_filter" not in name})
    assert torch.equal(evaluate(network), evaluate(expected))
    filters = [name for name in tensors if "resample_filter" in name]
    assert bool(found.assumed) == (not filters), "without a layer that resamples no file tells the filter"


@pytest.mark.parametrize(
    ("precondition", "numbers", "wanted"),
    [
        ("EDMPrecond", {"sigma_data": 0.25}, {"preconditioning": "edm", "data_deviation": 0.25}),
        ("VPPrecond", {"beta_d": 10.0, "beta_min": 0.2, "M": 500}, {"preconditioning": "vp", "steps": 500}),
        ("VEPrecond", {}, {"preconditioning": "ve"}),
    ],
)
def test_the_preconditioning_is_the_files(
    precondition: str, numbers: dict[str, float], wanted: dict[str, Any], tmp_path: Path
) -> None:
    file = edm_pickles.write(tmp_path / "n.pkl", tensors_of(SONG), tmp_path / "canary", precondition, **numbers)
    found = loaded(file)
    assert wanted.items() <= found.parametrisation.items() and "preconditioning" in found.told
    build_denoiser(build_network(found.network, "test"), found.parametrisation, "test")


def test_a_pack_is_made_of_it(in_process: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors = tensors_of(NETWORKS[0])
    file = edm_pickles.write(tmp_path / "network-snapshot-2.pkl", tensors, tmp_path / "canary", sigma_data=0.5)
    assert cli.main(["priors", "import", str(file)]) == 2
    assert "it leaves a test image hardly better than it was" in capsys.readouterr().err
    assert cli.main(["priors", "import", str(file), "--despite-trial", "--sigma-range", "0.01", "20"]) == 0
    text = capsys.readouterr().out
    assert "-800 and 800 HU are 0 and 1" in text and "--sigma-range" not in text and "--data-range" in text
    info = read_info(in_process / "dcpnpdp-abdomen")
    assert (info.window, info.crop, info.sigma_range) == ((-800.0, 800.0), 32, (0.005, 10.0))
    assert info.origin["assumed"] and not (tmp_path / "canary").exists()
    prior = load_pack(in_process / "dcpnpdp-abdomen")
    network = build_network(NETWORKS[0], "test").eval()
    network.load_state_dict({name: value for name, value in tensors.items() if "resample_filter" not in name})
    x = torch.rand(2, 1, 32, 32)
    # D(u, s) of the EDM paper at data deviation 0.5, in the network's range -1 to 1.
    s, u = 0.6, 2.0 * x - 1.0
    with torch.inference_mode():
        raw = network(u / (s * s + 0.25) ** 0.5, torch.full((2,), s).log() / 4.0)
    expected = (0.25 * u / (s * s + 0.25) + s * 0.5 * raw / (s * s + 0.25) ** 0.5 + 1.0) / 2.0
    assert torch.allclose(prior.predict_stacks(x, 0, s / 2.0, 1.5), expected, atol=2e-6)


def trained() -> dict[str, Tensor]:
    """A small network after some seconds of training: it removes noise from bodies of ellipses in [-1, 1]."""
    network = random_network({**SONG, "blocks": 1, "resolution": 64}, seed=3).train()
    with torch.no_grad():
        # What the published code starts from: residual branches and output close to 0.
        for name, value in network.named_parameters():
            value.mul_(0.01 if name.endswith(("conv1.weight", "conv1.bias", "proj.weight", "aux_conv.weight")) else 1.0)
    denoiser = build_denoiser(network, {"kind": "preconditioned", "data_range": [0.0, 1.0]}, "test")
    body = trialimages.image(replace(read_info(locate_pack("ct-triplet-256")), window=(-800.0, 800.0)), 64) * 2.0 - 1.0
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(200):
        rows, columns = torch.randint(0, 32, (2, 4), generator=generator).tolist()
        crops = [body[r : r + 32, c : c + 32] for r, c in zip(rows, columns, strict=True)]
        clean = torch.stack(crops)[:, None]
        sigma = 0.06 * 33.0 ** torch.rand(4, generator=generator)
        noise = torch.randn(clean.shape, generator=generator) * sigma[:, None, None, None]
        estimate = denoiser(clean + noise, sigma, torch.zeros(4, dtype=torch.int64), torch.zeros(4))
        loss = (
            ((estimate - clean) / (sigma * 0.5 / (sigma.square() + 0.25).sqrt())[:, None, None, None]).square().mean()
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return {name: value.detach() for name, value in network.state_dict().items()}


def test_a_trained_network_passes_its_trial_and_a_misread_one_does_not(
    in_process: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "state.pt"
    torch.save(trained(), file)
    for wrong in (["--preconditioning", "ve"], ["--preconditioning", "vp"], ["--data-deviation", "0.05"]):
        assert cli.main(["priors", "import", str(file), *wrong]) == 2
        error = capsys.readouterr().err
        assert "better than it was" in error and wrong[0] not in error
    assert cli.main(["priors", "import", str(file)]) == 0
    assert [path.name for path in in_process.iterdir()] == ["dcpnpdp-abdomen"]


def test_the_published_network_is_the_presets() -> None:
    """The network that DC-PnPDP's training options describe: DDPM++ with seven levels at 256 x 256."""
    with torch.device("meta"):
        network = build_network(PRESETS["dcpnpdp-abdomen"].network, "test")
    names = set(network.state_dict())
    assert {"enc.256x256_conv.weight", "enc.16x16_block3.qkv.weight", "dec.4x4_in0.proj.bias"} <= names
    assert "dec.16x16_block4.qkv.weight" in names and "dec.16x16_block3.qkv.weight" not in names
    assert "enc.32x32_block0.qkv.weight" not in names and "dec.256x256_aux_conv.weight" in names


class Call:
    """Pickles as a call of any name."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


@pytest.mark.parametrize(
    "hostile",
    [
        lambda canary: Call(Path.touch, canary),
        lambda canary: Call(eval, f"open({str(canary)!r}, 'w')"),
        lambda canary: Call(getattr, "", "join"),
        lambda canary: Call(torch.load, str(canary)),
        lambda canary: Call(torch.Tensor.set_, torch.zeros(1)),
    ],
)
def test_any_other_name_refuses_the_file(hostile: Any, tmp_path: Path, in_process: Path, capsys: Any) -> None:
    canary = tmp_path / "canary"
    file = edm_pickles.write(tmp_path / "n.pkl", tensors_of(SONG), canary, extra={"augment_pipe": hostile(canary)})
    assert cli.main(["priors", "import", str(file)]) == 2
    error = capsys.readouterr().err
    assert "refused, nothing of it was run" in error and error.count("\n") == 1
    assert not canary.exists() and list(in_process.iterdir()) == []


def test_the_pickle_itself_would_run_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canary = tmp_path / "canary"
    file = edm_pickles.write(tmp_path / "n.pkl", tensors_of(SONG), canary)
    for name, module in edm_pickles.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    edmpickle.load(file)
    assert not canary.exists(), "not even where the modules of EDM are installed"
    pickle.loads(file.read_bytes())
    assert canary.exists(), "the source must run with the usual loader, or these tests prove nothing"


def test_a_storage_that_is_a_pickle_of_its_own_is_refused(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    inner = pickle.dumps(Call(Path.touch, canary), protocol=2)
    bytes_of_storage = Call(torch.storage._load_from_bytes, inner)
    file = edm_pickles.write(tmp_path / "n.pkl", tensors_of(SONG), canary, extra={"more": bytes_of_storage})
    with pytest.raises(ValueError):
        loaded(file)
    assert not canary.exists()


@pytest.mark.parametrize(("size", "stride", "offset"), [((10**9,), (0,), 0), ((4,), (1,), 1), ((2, 2), (-1, 1), 1)])
def test_tensors_beyond_their_bytes_are_refused(
    size: tuple[int, ...], stride: tuple[int, ...], offset: int, tmp_path: Path
) -> None:
    storage = torch.zeros(4)._typed_storage()
    tensor = Call(torch._utils._rebuild_tensor_v2, storage, offset, size, stride, False, {})
    file = edm_pickles.write(tmp_path / "n.pkl", tensors_of(SONG), tmp_path / "canary", extra={"more": tensor})
    with pytest.raises(ValueError, match="not a pickle that EDM's training writes"):
        loaded(file)


@pytest.mark.parametrize("cut", [0.3, 0.9, 0.999])
def test_a_cut_pickle_is_refused(cut: float, tmp_path: Path, in_process: Path, capsys: Any) -> None:
    file = edm_pickles.write(tmp_path / "n.pkl", tensors_of(SONG), tmp_path / "canary")
    content = file.read_bytes()
    file.write_bytes(content[: int(cut * len(content))])
    assert cli.main(["priors", "import", str(file)]) == 2
    error = capsys.readouterr().err
    assert "n.pkl" in error and error.count("\n") == 1 and "refused, nothing" not in error


def test_random_bytes_in_a_pickle_raise_nothing_but_a_refusal(tmp_path: Path) -> None:
    file = edm_pickles.write(tmp_path / "n.pkl", tensors_of({**SONG, "multipliers": [1]}), tmp_path / "canary")
    content = file.read_bytes()
    for seed in range(80):
        generator = torch.Generator().manual_seed(seed)
        damaged = bytearray(content)
        for most in (len(content), 2000, 400):
            place = int(torch.randint(0, most, (1,), generator=generator))
            damaged[place : place + 1] = struct.pack("B", int(torch.randint(0, 256, (1,), generator=generator)))
        file.write_bytes(bytes(damaged))
        with contextlib.suppress(ValueError, MemoryError):
            loaded(file)
    assert not (tmp_path / "canary").exists()


def test_other_networks_of_edm_are_named(tmp_path: Path) -> None:
    canary, tensors = tmp_path / "canary", tensors_of(SONG)
    for precondition, model, named in (
        ("EDMPrecond", "DhariwalUNet", "only EDM's SongUNet"),
        ("iDDPMPrecond", "SongUNet", "only networks in EDMPrecond, VPPrecond, VEPrecond"),
    ):
        with pytest.raises(ValueError, match=named):
            loaded(edm_pickles.write(tmp_path / "n.pkl", tensors, canary, precondition, model))
    damaged = {name: value for name, value in tensors.items() if name != "enc.32x32_block0.norm1.bias"}
    with pytest.raises(NotThisNetwork) as refused:
        loaded(edm_pickles.write(tmp_path / "n.pkl", damaged, canary))
    assert refused.value.differences == ["missing enc.32x32_block0.norm1.bias (8,)"]
    tensors["enc.16x16_down.conv0.resample_filter"] = torch.full((1, 1, 2, 2), 0.3)
    with pytest.raises(ValueError, match="filters differ"):
        loaded(edm_pickles.write(tmp_path / "n.pkl", tensors, canary))


def test_the_throw_away_process_reads_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTDIFFUSION_PRIORS", str(tmp_path / "store"))
    file = edm_pickles.write(tmp_path / "n.pkl", tensors_of(SONG), tmp_path / "canary", sigma_data=0.5)
    done = import_prior(file, ImportOptions(name="mine", despite_trial=True))
    assert done.info.network["class"] == "SongUNet" and not (tmp_path / "canary").exists()
