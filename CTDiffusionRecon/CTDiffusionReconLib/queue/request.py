"""What a script or the panel asks for: the engine's own specification of a job, with its default scan.

There is no second list of fields, ranges or defaults here: what a specification declares can be asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ctdiffusion.acquisition.measured.suffixes import MEASURED_SUFFIXES
from ctdiffusion.jobs.reconstruction_spec import INPUT_KINDS, JobSpec, default_scan
from ctdiffusion.jobs.spec import SCHEMA, Specification
from ctdiffusion.jobs.tasks import TASKS
from ctdiffusion.methods.registry import RECONSTRUCTION

R = TypeVar("R", bound=Specification)

# The input of a job in its folder, where a volume node is written when the job starts.
INPUT_FILE = "input.nrrd"
VOLUME, PROJECTIONS = INPUT_KINDS


def request_for(task: str = RECONSTRUCTION, **fields: Any) -> Specification:
    """A request: the specification of a task with these fields. Those left out keep their defaults; a reconstruction
    of a volume is simulated with a fan beam and 30 views where nothing else says how.

    Raises:
        ValueError: one line that begins with the field.
    """
    chosen = TASKS[task]
    scan = default_scan(fields) if task == RECONSTRUCTION else {}
    values = {"input": INPUT_FILE, "method": chosen.default_method, **scan, **fields}
    with in_users_words():
        return chosen.specification.from_dict({"schema": SCHEMA, "task": task, **values})


def reconstruction(**fields: Any) -> JobSpec:
    """A request for a reconstruction; see `request_for`."""
    request = request_for(RECONSTRUCTION, **fields)
    assert isinstance(request, JobSpec)
    return request


def changed(request: R, **fields: Any) -> R:
    """The same request with other values.

    Raises:
        ValueError: an unknown field, or a value that is refused.
    """
    with in_users_words():
        return type(request).from_dict({**request.to_dict(), **fields})


def kind_of(request: Specification) -> str:
    """What a request works on: a volume, or projections."""
    return str(getattr(request, "input_kind", VOLUME))


def input_kind_of(path: str | Path) -> str:
    """volume or projections, from a file's suffix."""
    return PROJECTIONS if Path(path).suffix.lower() in MEASURED_SUFFIXES else VOLUME


@contextmanager
def in_users_words() -> Iterator[None]:
    """Refusals of the engine without the name of the file that no user here has written."""
    try:
        yield
    except ValueError as error:
        raise ValueError(str(error).removeprefix("spec.")) from None
