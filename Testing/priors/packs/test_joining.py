"""Two sinogram priors joined to one: each label gets its own network, and what does not belong together is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ctdiffusion.commands.main import main
from ctdiffusion.core.monitor import Monitor
from ctdiffusion.methods.families.sinograms import shown_as_trained, subset
from ctdiffusion.priors.packs.joining import join_packs
from ctdiffusion.priors.packs.pack import build_network, load_pack, read_info, write_info, write_pack
from ctdiffusion.priors.packs.removal import remove_pack
from ctdiffusion.samplers.sinogram import _estimate
from priors.small_pack import INFO, small_state

SINOGRAMS = replace(
    INFO,
    domain="sinogram",
    channels=1,
    labels=(0,),
    network={**INFO.network, "slices": 1},
    scan={"kinds": ["fan"], "full_views": 12, "subset_input": "zero-filled"},
)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder with packs `full` and `sparse`."""
    monkeypatch.setenv("CTDIFFUSION_PRIORS", str(tmp_path / "store"))
    wanted = build_network(SINOGRAMS.network, "test").state_dict()
    for seed, name in enumerate(("full", "sparse")):
        generator = torch.Generator().manual_seed(seed)
        state = {key: 0.1 * torch.randn(value.shape, generator=generator) for key, value in wanted.items()}
        info = replace(SINOGRAMS, name=name, licence=f"licence of {name}")
        write_pack(tmp_path / "store" / name, info, state)
    return tmp_path / "store"


def test_each_label_answers_with_its_own_network(store: Path) -> None:
    joined = load_pack(join_packs("pair", "full", "sparse"))
    assert joined.info.labels == (0, 1)
    assert joined.info.licence == "licence of full and licence of sparse"
    x = torch.rand((2, 1, 16, 16), generator=torch.Generator().manual_seed(5))
    answers = []
    for label, name in enumerate(("full", "sparse")):
        alone = load_pack(store / name).predict_stacks(x, 0, 0.1, 1.0)
        answers.append(joined.predict_stacks(x, label, 0.1, 1.0))
        assert torch.equal(answers[-1], alone)
    assert not torch.allclose(answers[0], answers[1], atol=1e-3)


def test_the_sparse_model_sees_its_rows_among_zeros(store: Path) -> None:
    joined = load_pack(join_packs("pair", "full", "sparse"))
    (stage,) = shown_as_trained([subset(12, 4)], joined)
    x = torch.rand((1, 12, 16), generator=torch.Generator().manual_seed(5))
    seen = []

    def predict(stacks: torch.Tensor, *arguments: object) -> torch.Tensor:
        seen.append(stacks)
        return torch.full_like(stacks, 7.0)

    joined.predict_stacks = predict  # type: ignore[method-assign]
    out = _estimate(x, 0.1, stage, joined, Monitor())
    rows = torch.zeros(12, dtype=torch.bool)
    rows[stage.rows[0]] = True
    assert torch.equal(out[:, ~rows], x[:, ~rows])
    assert bool((out[:, rows] == 7.0).all())
    # One sinogram of twelve rows, continued around the turn, of which only the stage's rows are not zero.
    filled = seen[0][0, 0].abs().sum(dim=1) > 0
    assert seen[0].shape[2] >= 12 and filled.sum() < 0.5 * seen[0].shape[2]


def test_the_command_joins_and_removes(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["priors", "join", "pair", "full", "sparse"]) == 0
    assert "joined in" in capsys.readouterr().out
    assert read_info(store / "pair").origin["subset"]["name"] == "sparse"
    assert main(["priors", "join", "pair", "full", "sparse"]) == 2
    assert "a pack named pair is there already" in capsys.readouterr().err
    remove_pack("pair")
    assert not (store / "pair").exists()


def test_what_does_not_belong_together_is_refused(store: Path) -> None:
    write_info(store / "full", replace(read_info(store / "full"), window=(0.0, 5.0)))
    with pytest.raises(ValueError, match="full and sparse cannot be joined: they differ in window"):
        join_packs("pair", "full", "sparse")
    write_pack(store / "images", INFO, small_state())
    with pytest.raises(ValueError, match="small is a prior of images"):
        join_packs("pair", "images", "sparse")
    with pytest.raises(ValueError, match="name: 2 to 64 small letters"):
        join_packs("../pair", "full", "sparse")
    assert sorted(path.name for path in store.iterdir()) == ["full", "images", "sparse"]


NESTED = {"class": "ByLabel", "members": []}


@pytest.mark.parametrize("members", [[], [NESTED, NESTED], [{"class": "TripletUNet"}], "two", [1, 2]])
def test_metadata_of_a_joined_pack_is_checked(store: Path, members: object) -> None:
    folder = join_packs("pair", "full", "sparse")
    metadata = json.loads((folder / "prior.json").read_text())
    metadata["network"]["members"] = members
    (folder / "prior.json").write_text(json.dumps(metadata))
    with pytest.raises(ValueError, match=r"network\.members: two to 8 networks are wanted"):
        load_pack(folder)
