"""Tables of the fields of `spec.json`, one for each task."""

from __future__ import annotations

from ctdiffusion.core.schema import walk
from ctdiffusion.jobs.tasks import TASKS

from .schema import fields_table


def job_tables() -> dict[str, str]:
    """Files by name: the fields of a job of each task."""
    return {f"job-{name}.md": fields_table("field", walk(task.specification)) for name, task in TASKS.items()}
