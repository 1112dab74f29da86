"""The training log: a CSV file, and TensorBoard where it is installed."""

from __future__ import annotations

import csv
import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..core.atomic import write_bytes

COLUMNS = ["step", "seconds", "loss", "learning_rate"]


class TrainingLog:
    """Appends (step, seconds, loss, learning rate) to `log.csv` and to TensorBoard.

    `step` is where the training goes on: what an earlier run had logged after it, or had half written, is taken out.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        self.path = folder / "log.csv"
        _cut(self.path, step)
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
                writer.writerow(COLUMNS)
            writer.writerow([step, f"{seconds:.1f}", f"{loss:.6f}", f"{rate:.3e}"])
        if self._board is not None:
            self._board.add_scalar("loss", loss, step)
            self._board.add_scalar("learning rate", rate, step)


def _cut(path: Path, step: int) -> None:
    if not path.is_file():
        return
    # A crash of the machine can leave zeros where a line was to come.
    lines = path.read_text(encoding="utf-8", errors="replace").replace("\0", "").splitlines()
    rows = list(csv.reader(lines))
    kept = [row for row in rows if len(row) == len(COLUMNS) and row[0].isdigit() and int(row[0]) <= step]
    content = io.StringIO(newline="")
    csv.writer(content).writerows([COLUMNS, *kept])
    write_bytes(path, content.getvalue().encode())
