"""A result's origin as texts for the attributes of its node."""

from __future__ import annotations

import json
import ntpath
from collections.abc import Mapping
from typing import Any

from ctdiffusion.core.schema import plain
from ctdiffusion.jobs.reconstruction_spec import JobSpec

from ..queue.job import ReconstructionJob
from ..queue.request import VOLUME

PREFIX = "CTDiffusionRecon."
# Files beside a result, and the node references of the result to what was loaded from them.
SINOGRAMS = {"projections.nrrd": "Projections", "residual.nrrd": "Residual"}


def attributes(job: ReconstructionJob, input_name: str, paths: bool = False) -> dict[str, str]:
    """Names, with the prefix `CTDiffusionRecon.`, and values; what is not known is left out.

    Files and folders are told by their names, because a scene may be given to others; with `paths` by their paths.
    """
    record = job.provenance
    request, code = job.request, _part(record, "code")
    prior, device = _part(record, "prior"), _part(record, "device")
    metrics, misfit = job.metrics or {}, job.misfit or {}
    scan = request if isinstance(request, JobSpec) else None
    used = _part(record, "geometry")
    slices = None if scan is None else scan.slices
    values: dict[str, Any] = {
        "Input": input_name,
        "Method": request.method,
        "Parameters": request.parameters,
        "Geometry": scan.geometry if scan is not None and isinstance(scan.geometry, str) else used.get("kind"),
        "Views": len(used.get("angles") or []) or (None if scan is None else scan.view_count),
        "Simulation": None if scan is None or job.kind != VOLUME else plain(scan.simulation),
        "Slices": None if slices is None else f"{slices[0]}:{slices[1]}",
        "Seed": request.seed,
        "Prior": prior.get("name"),
        "PriorVersion": prior.get("version"),
        "PriorSHA256": prior.get("weights_sha256"),
        "Device": device.get("used"),
        "Engine": code.get("version"),
        "Commit": code.get("commit"),
        "InputSHA256": _part(record, "inputs").get("values_sha256"),
        "ResultSHA256": record.get("result_sha256"),
        "PSNR": metrics.get("psnr"),
        "SSIM": metrics.get("ssim"),
        "RMSE_HU": metrics.get("rmse_hu"),
        "Misfit": misfit.get("relative"),
        "Chi2": misfit.get("chi2"),
        "Seconds": job.seconds,
        "Warnings": "\n".join(job.warnings) or None,
        "JobFolder": str(job.folder) if paths else job.folder.name,
        "Spec": (_part(record, "spec") if paths else without_paths(_part(record, "spec"))) or None,
    }
    return {PREFIX + name: _text(value) for name, value in values.items() if value is not None}


def without_paths(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A specification with the names of its files and folders instead of their paths."""
    return {k: _name(v) if k in ("input", "prior") and isinstance(v, str) else v for k, v in spec.items()}


def _name(path: str) -> str:
    # A scene may be opened on another system.
    return ntpath.basename(path.rstrip("/\\"))


def _part(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True) if isinstance(value, (dict, list, bool)) else f"{value:.10g}"
