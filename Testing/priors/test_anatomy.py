"""A series of another body part than the prior's is told of, where the series says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ctdiffusion.jobs.events import read_events
from ctdiffusion.jobs.worker import run_job
from ctdiffusion.priors.anatomy import body_part_warnings
from dicom_files import write_series
from job_helpers import make_job
from priors.small_pack import INFO, small_pack

BODY = replace(INFO, body_parts=("chest", "abdomen", "pelvis"))


@pytest.mark.parametrize(
    ("body_part", "told"),
    [
        ("", False),
        ("CHEST", False),
        ("Thorax/Abd", False),
        ("CHESTABDPELVIS", False),
        ("WHOLEBODY", False),
        ("HEAD", True),
        ("BRAIN", True),
        ("CSPINE", True),
        ("HEADNECKCHEST", False),
        ("FOOT", True),
    ],
)
def test_only_a_body_part_known_to_be_another_one_is_told(body_part: str, told: bool) -> None:
    texts = body_part_warnings(BODY, body_part)
    assert bool(texts) == told
    if told:
        assert f"trained on chest, abdomen, pelvis; the series is of the body part {body_part}" in texts[0]


@pytest.mark.parametrize(("body_part", "told"), [("HEAD", True), ("CHEST", False)])
def test_a_job_on_a_dicom_series_warns(tmp_path: Path, body_part: str, told: bool) -> None:
    hu = np.full((2, 16, 16), -1000, np.int16)
    hu[:, 4:12, 4:12] = 40
    write_series(tmp_path / "series", hu, body_part=body_part)
    pack = small_pack(tmp_path / "pack")
    text = (pack / "prior.json").read_text().replace('"phantom"', '"chest"')
    (pack / "prior.json").write_text(text)
    job = make_job(
        tmp_path / "job", input=str(tmp_path / "series"), method="dds", parameters={"steps": 1}, prior=str(pack)
    )
    assert run_job(job.path).exit_code == 0
    warnings = [event["text"] for event in read_events(job.events) if event["event"] == "warning"]
    assert any(f"body part {body_part}" in text for text in warnings) == told
