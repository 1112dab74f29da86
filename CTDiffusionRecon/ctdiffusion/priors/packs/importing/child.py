"""The throw-away process that opens a foreign checkpoint: `python -m ctdiffusion.priors.packs.importing.child JSON`.

It lives as long as the pipe that is its standard input.

Nothing but tensors and plain values is unpickled (PyTorch's weights-only loader, for EDM's files `edmpickle`), within
limits on memory, computing time and size of files. What it leaves is `weights.safetensors` and `result.json`, which the
caller does not trust.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..pack import WEIGHTS_FILE
from . import diffusers, edm, edmpickle, layouts
from .choices import DIFFUSERS
from .converted import Converted, NotThisNetwork, Settings

RESULT_FILE = "result.json"
# What the loader, the averaged weights and their float32 copy need besides the file itself.
_MEMORY_BESIDES = 2 << 30
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")


def main(arguments: list[str]) -> int:
    """Convert what the request names; returns the exit code (0 converted, 2 refused)."""
    request = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    source, target = Path(request["source"]), Path(request["target"])
    asked: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in request["settings"].items()
    }
    settings = Settings(**asked)
    limit(int(request["bytes"]), int(request["seconds"]))
    try:
        converted = convert(source, settings)
        from safetensors.torch import save_file

        save_file(converted.tensors, str(target / WEIGHTS_FILE))
    except (MemoryError, RuntimeError, ValueError, TypeError, KeyError, OSError) as error:
        differences = error.differences if isinstance(error, NotThisNetwork) else []
        _write(target, {"error": _text(error), "differences": [text[:300] for text in differences[:9000]]})
        return 2
    result = asdict(converted)
    del result["tensors"]
    _write(target, result)
    return 0


def convert(source: Path, settings: Settings) -> Converted:
    """Open and convert a checkpoint file or a diffusers folder.

    Raises:
        ValueError: it is not one, holds more than tensors and plain values, or does not fit its network.
    """
    if source.is_dir():
        if settings.layout not in ("", DIFFUSERS):
            raise ValueError(f"a folder has layout {DIFFUSERS}, not {settings.layout}")
        layouts.check_options(settings, DIFFUSERS, diffusers.OPTIONS)
        return diffusers.convert(source, settings)
    return layouts.convert(_load(source), settings)


def die_with_parent() -> None:
    """End this process when its standard input ends, a pipe that closes with whoever started it, however that ends."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    with suppress(OSError):
        while os.read(0, 4096):
            pass
    os._exit(2)


def limit(file_bytes: int, seconds: int) -> None:
    """Limit this process's memory, computing time and files, where the system can.

    Args:
        file_bytes: size of the checkpoint.
        seconds: computing time.
    """
    try:
        import resource
    except ImportError:
        return
    _lower(resource.RLIMIT_CPU, seconds)
    _lower(resource.RLIMIT_FSIZE, 2 * file_bytes + (64 << 20))
    _lower(resource.RLIMIT_CORE, 0)
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return
    # PyTorch alone maps gigabytes, so the limit counts from what is mapped by now.
    _lower(resource.RLIMIT_AS, pages * resource.getpagesize() + 3 * file_bytes + _MEMORY_BESIDES)


def _lower(what: int, value: int) -> None:
    import resource

    hard = resource.getrlimit(what)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(what, (value, value))


def _load(source: Path) -> object:
    import torch

    try:
        if edmpickle.is_edm_pickle(source):
            return {edm.SNAPSHOT: edmpickle.load(source)}
        return torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = _GLOBAL.search(str(error))
        wants = f" ({found[1]})" if found else ""
        text = f"the file holds more than tensors and plain values{wants}: refused, nothing of it was run"
        raise ValueError(text) from None
    except (MemoryError, OSError):
        raise
    except Exception as error:
        # Damaged bytes make PyTorch's loader raise anything.
        if isinstance(error, RuntimeError) and "memory" in str(error).lower():
            raise
        raise ValueError(f"not a PyTorch checkpoint: {_text(error)}") from None


def _text(error: BaseException) -> str:
    if isinstance(error, MemoryError) or "memory" in str(error).lower():
        return "converting it takes more memory than a checkpoint of its size may"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = lines[0] if lines else type(error).__name__
    return "".join(c if c.isprintable() else " " for c in line)[:1000]


def _write(target: Path, result: dict[str, Any]) -> None:
    (target / RESULT_FILE).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    die_with_parent()
    sys.exit(main(sys.argv[1:]))
