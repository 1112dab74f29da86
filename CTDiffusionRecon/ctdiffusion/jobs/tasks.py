"""Which program a job folder is for: a specification without a task is a CT reconstruction."""

from __future__ import annotations

from ..core.strictjson import read_object, shorten
from .events import EventLog
from .folder import JobFolder, JobStatus
from .stopping import StopRequest

RECONSTRUCTION, SUPERRESOLUTION = "reconstruction", "superresolution"


def execute_task(folder: JobFolder, log: EventLog, stop: StopRequest, resume: bool, **intervals: float) -> JobStatus:
    """Run the job in `folder` to its published result; see `jobrun.execute` and `superresolution.run.execute`.

    Raises:
        ValueError: a task that this version does not know; and whatever the task raises.
    """
    task = read_object(folder.spec).get("task", RECONSTRUCTION)
    if task == RECONSTRUCTION:
        from .run import execute
    elif task == SUPERRESOLUTION:
        from ..superresolution.run import execute
    else:
        raise ValueError(f"spec.task: must be {SUPERRESOLUTION} or left out, got {shorten(task)}")
    return execute(folder, log, stop, resume, **intervals)
