"""Questions to the engine that end in one JSON object, answered by a child process while the window lives on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from .engine import Engine
from .runner import Runner, SubprocessRunner, describe_exit

# Importing torch for the first time on a slow disk takes this long.
PATIENCE_S = 120.0
LARGEST_ANSWER = 4_000_000


class EngineQuery:
    """One question, put by `start` and answered some `poll` later.

    Attributes:
        answer: the JSON object, once it is there.
        error: why there is none, in one line.
    """

    def __init__(
        self, engine: Engine, command: Sequence[str], runner: Callable[..., Runner] = SubprocessRunner
    ) -> None:
        self.answer: dict[str, Any] | None = None
        self.error: str | None = None
        self._engine = engine
        self._command = list(command)
        self._runner = runner(LARGEST_ANSWER)
        self._since = 0.0

    def start(self) -> EngineQuery:
        """Put the question; a child that cannot be started is an `error`."""
        self._since = time.monotonic()
        try:
            self._runner.start(self._command, self._engine.environment(), self._engine.package)
        except OSError as error:
            self.error = f"the engine cannot be started: {error}"
        return self

    @property
    def finished(self) -> bool:
        """Whether there is an answer or an error."""
        return self.answer is not None or self.error is not None

    def poll(self, timeout_s: float = 0.0) -> bool:
        """Look whether the answer has come; waits at most so long. Returns `finished`."""
        if self.finished:
            return True
        self._runner.pump(timeout_s)
        if not self._runner.is_running:
            self._read()
        elif time.monotonic() - self._since > PATIENCE_S:
            self.stop()
            self.error = f"the engine did not answer within {PATIENCE_S:g} s"
        return self.finished

    def wait(self, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """Wait for the answer.

        Raises:
            RuntimeError: there is none; the text says why.
        """
        end = time.monotonic() + timeout_s
        while not self.poll(0.1):
            if time.monotonic() > end:
                self.stop()
                self.error = f"the engine did not answer within {timeout_s:g} s"
        if self.answer is None:
            raise RuntimeError(self.error)
        return self.answer

    def stop(self) -> None:
        """Give the question up."""
        self._runner.kill_tree()
        self._runner.pump(0.2)
        if not self.finished:
            self.error = "stopped"

    def _read(self) -> None:
        code = self._runner.exit_code
        if code == 0 and self._runner.stdout.complete:
            try:
                # Packages may print what they like before it; the answer is the last line.
                values = json.loads(self._runner.stdout.text().strip().splitlines()[-1])
            except (ValueError, IndexError, RecursionError):
                values = None
            if isinstance(values, dict):
                self.answer = values
                return
        said = [line.strip() for line in self._runner.stderr.text().splitlines() if line.strip()]
        what = said[-1].removeprefix("error: ")[:300] if said else "no answer that can be read"
        self.error = what if code == 2 else f"the engine {describe_exit(code)}: {what}"
