"""How a method reports progress, and how a job tells it to stop or where it stood before an interruption."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The worker needs this file before it can afford to import torch.
    from torch import Tensor


class Cancelled(Exception):
    """The user asked the job to stop."""


class Monitor:
    """The callback of contract C5. This base class ignores everything; the worker overrides it."""

    def step(self, phase: str, step: int, total: int, image: Tensor | None = None) -> None:
        """Report that `step` of `total` steps of `phase` are done; `image` is the current volume in 1/mm.

        Raises:
            Cancelled: the job is to stop now.
        """

    def warn(self, text: str) -> None:
        """Tell the user something that does not stop the job."""

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Account the time of a block to `part`: network, projector or io."""
        yield

    def save_state(self, step: int, tensors: dict[str, Tensor]) -> None:
        """Offer the state after `step` steps for resuming; the worker decides whether to write it."""

    def saved_state(self) -> tuple[int, dict[str, Tensor]] | None:
        """The state an interrupted run left, or None."""
        return None
