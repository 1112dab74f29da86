"""From an input and a request to a job that can be queued: its folder, the input in it, the specification."""

import shutil
import time
from pathlib import Path
from typing import Any

from ctdiffusion.core import atomic
from ctdiffusion.jobs.folder import to_json
from ctdiffusion.jobs.reconstruction_spec import JobSpec
from ctdiffusion.jobs.spec import Specification

from ..engine.slicerengine import privateJobsFolder
from ..queue.job import ReconstructionJob
from ..queue.request import INPUT_FILE
from .inputs import InputRecord, exportVolume, recordOf

# What the engine tells its own users to do, and what ours can do, in the panel and in Python.
_ENGINE_SAYS = "pass assume_hu=True (--assume-hu)"
ASSUME_HU = (
    _ENGINE_SAYS, "check 'Values are HU even where they do not look like it' (in Python: assume_hu=True)"
)  # fmt: skip
ASSUME_HU_THIN = (_ENGINE_SAYS, "check 'Assume HU' under Advanced (in Python: assume_hu=True)")


def preparedJob(source: Any, request: Specification, scene_generation: int) -> tuple[ReconstructionJob, InputRecord]:
    """A job on a volume node or a file, and the record of its input.

    Args:
        source: the volume node, or the path that `request.input` names.
        request: checked, see `requestcheck.checked`.
        scene_generation: how often the scene has been closed by now.

    Raises:
        OSError: the job folder cannot be written; nothing of it is left.
    """
    folder = _newFolder(request.method)
    try:
        return _prepared(source, request, folder, scene_generation)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _prepared(
    source: Any, request: Specification, folder: Path, scene_generation: int
) -> tuple[ReconstructionJob, InputRecord]:
    if isinstance(source, (str, Path)):
        path = Path(request.input)
        record = InputRecord(path.name.split(".")[0] or path.name, scene_generation=scene_generation)
    else:
        path = exportVolume(source, folder)
        record = recordOf(source, scene_generation)
    atomic.write_bytes(folder / "spec.json", to_json(request.to_dict()))
    job = ReconstructionJob(folder, request, f"{record.name} {request.label}")
    job.source = source if isinstance(source, (str, Path)) else None
    job.secrets = ((str(path), "<input>"), (str(Path.home()), "~"))
    named = ((INPUT_FILE, record.name),) if request.input == INPUT_FILE else ()
    job.words = (ASSUME_HU if isinstance(request, JobSpec) else ASSUME_HU_THIN, *named)
    return job, record


def _newFolder(method: str) -> Path:
    """A new, empty job folder. Its name is short, because paths are on some systems.

    Raises:
        OSError: it cannot be made.
    """
    root = privateJobsFolder()
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{method}"
    for number in range(1000):
        folder = root / (stem if number == 0 else f"{stem}-{number}")
        try:
            # Its owner's alone: it holds a patient's image.
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return folder
    raise OSError(f"{root}: no folder for the job can be made")
