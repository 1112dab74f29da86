"""Run under torchrun: train a small network for a time, and write what each process ended with."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import torch
from ctdiffusion.training import loop, processes
from ctdiffusion.training.loop import LoopSettings, train


class Numbers(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 1_000_000

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"x": torch.tensor([float(index % 7)])}


def loss(network: torch.nn.Module, batch: dict[str, torch.Tensor], generator: torch.Generator) -> torch.Tensor:
    noise = torch.randn(batch["x"].shape, generator=generator)
    time.sleep(0.005)
    return (network(batch["x"] + noise) - batch["x"]).square().mean()


def main(folder: Path) -> None:
    place = folder / "prepared"
    with processes.first_alone():
        found = place.exists()
        time.sleep(0.5 * (processes.rank() == 0))
        place.touch()
    torch.manual_seed(0)
    network = torch.nn.Linear(1, 1)
    if processes.rank() == 1:
        # By this clock the time is over later.
        loop.time = SimpleNamespace(monotonic=lambda: 0.7 * time.monotonic())
    settings = LoopSettings(steps=100_000, batch=2, warmup=2, minutes=2.0 / 60.0)
    state = train(network, Numbers(), loss, settings, folder, report=lambda text: None)
    content = {"found": found, "weights": [float(v) for t in state.values() for v in t.flatten()]}
    (folder / f"rank{processes.rank()}.json").write_text(json.dumps(content))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
