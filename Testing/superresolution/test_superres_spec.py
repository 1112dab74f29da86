"""The specification of a super-resolution job: strict, and told from a reconstruction's by its task."""

from __future__ import annotations

import json

import pytest
from ctdiffusion.jobs.reconstruction_spec import JobSpec
from ctdiffusion.jobs.superresolution_spec import SuperResolutionSpec

GOOD = {"schema": 1, "task": "superresolution", "input": "head.nii.gz"}


def test_it_comes_back_from_json_as_it_was() -> None:
    spec = SuperResolutionSpec.from_dict(
        {**GOOD, "method": "zsr", "factor": 5, "profile": "gaussian", "profile_mm": 4.7, "parameters": {"steps": 7}}
    )
    again = SuperResolutionSpec.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert again == spec
    assert again.digest == spec.digest
    assert spec.method_parameters().steps == 7
    assert SuperResolutionSpec.from_dict({**GOOD, "factor": 4}).digest != spec.digest


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"task": "reconstruction"}, "spec.task"),
        ({"schema": 2}, "spec.schema"),
        ({"views": 30}, "spec.views: unknown field"),
        ({"input": ""}, "spec.input"),
        ({"input": "http://a/b"}, "spec.input"),
        ({"method": "cubic"}, "spec.method: 'cubic' is unknown"),
        ({"method": 3}, "spec.method"),
        ({"factor": 1}, "spec.factor: must lie in [2, 8], got 1"),
        ({"factor": 2.5}, "spec.factor"),
        ({"factor": True}, "spec.factor"),
        ({"simulate_from_thin": True}, "spec.factor: missing"),
        ({"simulate_from_thin": 1, "factor": 2}, "spec.simulate_from_thin"),
        ({"profile": "round"}, "spec.profile"),
        ({"profile": "gaussian"}, "spec.profile_mm"),
        ({"profile": "gaussian", "profile_mm": -1.0}, "spec.profile_mm"),
        ({"profile": "gaussian", "profile_mm": float("nan")}, "spec.profile_mm"),
        ({"profile_mm": 4.0}, "spec.profile_mm: a rectangle is one slice distance wide"),
        ({"parameters": []}, "spec.parameters"),
        ({"parameters": {"views": 3}}, "spec.parameters.views"),
        ({"parameters": {"steps": 0}}, "spec.parameters.steps"),
        ({"prior": ""}, "spec.prior"),
        ({"seed": -1}, "spec.seed"),
        ({"device": "tpu"}, "spec.device"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=r"^spec\.") as caught:
        SuperResolutionSpec.from_dict({**GOOD, **changes})
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_reconstruction_does_not_take_it() -> None:
    with pytest.raises(ValueError, match=r"spec\.task: expected reconstruction"):
        JobSpec.from_dict(GOOD)
