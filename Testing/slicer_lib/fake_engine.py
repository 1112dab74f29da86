"""A stand-in for the engine: a small child process that behaves, or misbehaves, as its job folder's spec says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctdiffusion.jobs.folder import JobFolder

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parents[1] / "CTDiffusionRecon"


class FakeEngine:
    """Has what `JobQueue` uses of an engine, and runs this file."""

    package = PACKAGE
    priors = ()
    foreign = False

    def worker(self, folder: Path, resume: bool = False) -> list[str]:
        return [sys.executable, str(HERE / "fake_engine.py"), str(folder), *(["--resume"] if resume else [])]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(PACKAGE), "PYTHONUTF8": "1"}


def make_folder(folder: Path, **behaviour: object) -> Path:
    """A job folder whose child behaves so."""
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps(behaviour), encoding="utf-8")
    return folder


def main(folder: Path) -> int:
    """Behave."""
    from ctdiffusion.jobs.events import EventLog
    from ctdiffusion.jobs.folder import JobFolder, JobStatus
    from ctdiffusion.jobs.lock import JobLock

    behaviour = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    if "schema" in behaviour:
        return _copy(job=JobFolder(folder), seconds=float(os.environ.get("FAKE_ENGINE_SECONDS", "0")))
    if "exec" in behaviour:
        # A launcher: the interpreter that matters is its child.
        values = {**behaviour}
        values.pop("exec")
        (folder / "spec.json").write_text(json.dumps(values), encoding="utf-8")
        return subprocess.call([sys.executable, __file__, str(folder)])
    job, lock = JobFolder(folder), JobLock(folder)
    lock.acquire()
    job.write_status(JobStatus("running", pid=os.getpid()))
    log = EventLog(job.events)
    log.emit("status", state="running", pid=os.getpid(), resumed=False)
    for text in behaviour.get("garbage", []):
        with open(job.events, "ab") as file:
            file.write(text.encode("latin-1"))
    if behaviour.get("flood"):
        _flood(int(behaviour["flood"]))
    for phase, step, total in behaviour.get("steps", [["slow", 1, 4], ["slow", 4, 4]]):
        log.emit("step", phase=phase, step=step, total=total, eta_s=1.0, preview=None)
    if behaviour.get("grandchild"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        (folder / "grandchild").write_text(str(child.pid))
    if behaviour.get("deaf"):
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if behaviour.get("sleep"):
        (folder / "asleep").touch()
        _sleep(float(behaviour["sleep"]), None if behaviour.get("deaf") else job.cancel)
        if job.cancel.exists() and not behaviour.get("deaf"):
            job.write_status(JobStatus("cancelled", error="cancelled"))
            return 130
    if "kill" in behaviour:
        os.kill(os.getpid(), int(behaviour["kill"]))
    if "error" in behaviour:
        job.write_status(JobStatus("failed", error=behaviour["error"]))
        return 1
    if "stderr" in behaviour:
        print(behaviour["stderr"], file=sys.stderr)
    if behaviour.get("result", True):
        job.result.mkdir()
        job.volume.write_bytes(b"NRRD0004\n")
        job.provenance.write_text(json.dumps({"method_seconds": 1.5}))
        job.write_status(JobStatus("done", result="result/reconstruction.nrrd", metrics={"psnr": 30.0}))
    return int(behaviour.get("code", 0))


def _copy(job: JobFolder, seconds: float) -> int:
    """A real specification: its input is the result."""
    from ctdiffusion.jobs.events import EventLog
    from ctdiffusion.jobs.folder import JobStatus
    from ctdiffusion.jobs.lock import JobLock

    lock = JobLock(job.path)
    lock.acquire()
    job.write_status(JobStatus("running", pid=os.getpid()))
    log = EventLog(job.events)
    log.emit("step", phase="read", step=1, total=1)
    _sleep(seconds, job.cancel)
    if job.cancel.exists():
        job.write_status(JobStatus("cancelled", error="cancelled"))
        return 130
    spec = json.loads(job.spec.read_text(encoding="utf-8"))
    numbers = {"metrics": {"psnr": 30.0 + spec["views"] / 100, "rmse_hu": 50.0}, "misfit": {"relative": 0.01}}
    record = {"spec": spec, "method_seconds": 1.5, "geometry": {"kind": "fan", "angles": [0.0] * spec["views"]},
              "result_sha256": "abc", **numbers}  # fmt: skip
    job.provenance.write_text(json.dumps(record))
    job.result.mkdir()
    shutil.copy(spec["input"] if os.path.isabs(spec["input"]) else job.path / spec["input"], job.volume)
    job.write_status(JobStatus("done", result="result/reconstruction.nrrd", **numbers))
    return 0


def _sleep(seconds: float, cancel: Path | None) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not (cancel is not None and cancel.exists()):
        time.sleep(0.02)


def _flood(megabytes: int) -> None:
    # Not UTF-8, coloured, overwriting itself, and without a line end for a long time.
    block = (b"\xff\xfe\x1b[31mcolour\x1b[0m\r" + bytes(range(128, 256))) * 7000
    for _ in range(megabytes * 1_000_000 // len(block) + 1):
        sys.stdout.buffer.write(block)
        sys.stderr.buffer.write(block)
    sys.stdout.buffer.write(b"\nthe last line\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
