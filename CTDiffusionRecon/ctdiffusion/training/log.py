"""The training log: a CSV file, and TensorBoard where it is installed."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path
from typing import Any


class TrainingLog:
    """Appends (step, seconds, loss, learning rate) to `log.csv` and to TensorBoard."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "log.csv"
        self._board: Any = None
        if find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder))

    def write(self, step: int, seconds: float, loss: float, rate: float) -> None:
        """Add one line."""
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", "seconds", "loss", "learning_rate"])
            writer.writerow([step, f"{seconds:.1f}", f"{loss:.6f}", f"{rate:.3e}"])
        if self._board is not None:
            self._board.add_scalar("loss", loss, step)
            self._board.add_scalar("learning rate", rate, step)
