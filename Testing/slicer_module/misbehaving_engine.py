"""An interpreter for the settings that runs everything but the engine's worker as usual, and that one badly."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# What the worker does instead, by name of the behaviour; the rest of a behaviour are its arguments.
BLOCK = (b"\xff\xfe\x1b[31mcolour\x1b[0m\r" + bytes(range(128, 256))) * 700


def interpreter(folder: Path, **behaviour: object) -> str:
    """An executable that behaves so; its path has blanks and accents."""
    place = folder / "Python für Ärzte"
    place.mkdir(parents=True, exist_ok=True)
    script = place / "python"
    text = json.dumps(behaviour).replace("'", "'\\''")
    script.write_text(
        "#!/bin/sh\n"
        f'if [ "$1 $2" = "-m ctdiffusion.jobs.worker" ]; then\n'
        f'  exec "{sys.executable}" "{HERE / "misbehaving_engine.py"}" \'{text}\' "$3"\n'
        "fi\n"
        f'exec "{sys.executable}" "$@"\n',
        encoding="utf-8",
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


def main(behaviour: dict[str, object], folder: Path) -> int:
    """Behave, then, where nothing else is said, give back the input as the result."""
    sys.path.insert(0, str(HERE.parent / "slicer_lib"))
    import fake_engine
    from ctdiffusion.jobs.events import EventLog
    from ctdiffusion.jobs.folder import JobFolder

    for _ in range(int(str(behaviour.get("flood_mb", 0))) * 1_000_000 // len(BLOCK)):
        sys.stdout.buffer.write(BLOCK)
        sys.stderr.buffer.write(BLOCK)
    sys.stdout.flush()
    if "say" in behaviour:
        print(str(behaviour["say"]).replace("INPUT", str(folder / "input.nrrd")), file=sys.stderr, flush=True)
    if "signal" in behaviour:
        EventLog(JobFolder(folder).events).emit("step", phase="sampling", step=1, total=9)
        time.sleep(0.3)
        os.kill(os.getpid(), getattr(signal, str(behaviour["signal"])))
    if "code" in behaviour:
        return int(str(behaviour["code"]))
    os.environ["FAKE_ENGINE_SECONDS"] = str(behaviour.get("seconds", 0))
    return fake_engine.main(folder)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1]), Path(sys.argv[2])))
