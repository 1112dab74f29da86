"""The specification is strict: everything wrong is refused by name."""

from __future__ import annotations

import json
import math

import pytest
from ctdiffusion.acquisition.settings import SimulationSettings
from ctdiffusion.core.strictjson import parse_object
from ctdiffusion.jobs.reconstruction_spec import JobSpec
from hypothesis import given, settings
from hypothesis import strategies as st

GOOD = {"schema": 1, "input": "/data/ct.nrrd", "method": "fbp", "geometry": "fan", "views": 30}
PARALLEL = {"kind": "parallel", "angles": [0.0, 0.5, 1.0], "columns": 64, "column_spacing": 2.0}


def test_a_specification_survives_json():
    spec = JobSpec.from_dict(
        {
            **GOOD,
            "limited_deg": [-45, 90],
            "slices": [3, 9],
            "simulation": {"photons": 5e4, "noise": False},
            "parameters": {"filter": "hann"},
            "seed": 2**40,
        }
    )
    again = JobSpec.from_json(json.dumps(spec.to_dict()))
    assert again == spec
    assert again.digest == spec.digest
    assert again.simulation == SimulationSettings(photons=5e4, noise=False)
    assert again.method_parameters().filter == "hann"
    assert JobSpec.from_dict({**GOOD, "seed": 1}).digest != JobSpec.from_dict(GOOD).digest


@pytest.mark.parametrize("method", ["dds", "dds-tv", "ddnm", "iscs", "diffusionblend", "diffusionblend++"])
def test_transitions_of_version_one_are_read(method):
    for name in ("dds", "renew", "ancestral", "diffpir"):
        parameters = {"transition": name, "eta": 0.5}
        chosen = JobSpec.from_dict({**GOOD, "method": method, "parameters": parameters}).method_parameters()
        assert (chosen.transition, chosen.eta) == (name, 0.5)


def test_view_sets():
    degrees = [math.degrees(a) for a in JobSpec.from_dict(GOOD).angles()]
    assert degrees == pytest.approx([12.0 * k for k in range(30)])
    parallel = JobSpec.from_dict({**GOOD, "geometry": "parallel", "views": 4})
    assert [math.degrees(a) for a in parallel.angles()] == pytest.approx([0, 45, 90, 135])
    limited = JobSpec.from_dict({**GOOD, "views": 3, "limited_deg": [10, 80]})
    assert [math.degrees(a) for a in limited.angles()] == pytest.approx([10, 50, 90])
    arc = JobSpec.from_dict({**GOOD, "views": 2, "arc_deg": 180, "start_deg": 5})
    assert [math.degrees(a) for a in arc.angles()] == pytest.approx([5, 95])
    listed = JobSpec.from_dict({**GOOD, "views": None, "angles_deg": [0, 7, 3]})
    assert [math.degrees(a) for a in listed.angles()] == pytest.approx([0, 7, 3])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"viewz": 3}, r"spec\.viewz: unknown field"),
        ({"schema": 2}, r"spec\.schema: .*newer"),
        ({"schema": 0}, r"spec\.schema"),
        ({"schema": True}, r"spec\.schema"),
        ({"schema": "1"}, r"spec\.schema"),
        ({"input": ""}, r"spec\.input"),
        ({"input": 7}, r"spec\.input"),
        ({"input": "a\0b"}, r"spec\.input: control"),
        ({"input": "x" * 5000}, r"spec\.input: text of 5000"),
        ({"input": "http://host/ct.nrrd"}, r"spec\.input.*address"),
        ({"method": "magic"}, r"spec\.method: 'magic' is unknown"),
        ({"method": None}, r"spec\.method"),
        ({"views": 0}, r"spec\.views"),
        ({"views": 10_001}, r"spec\.views"),
        ({"views": 30.0}, r"spec\.views"),
        ({"views": True}, r"spec\.views"),
        ({"views": "30"}, r"spec\.views"),
        ({"views": None}, r"spec\.views: missing"),
        ({"arc_deg": math.nan}, r"spec\.arc_deg: must be finite"),
        ({"arc_deg": 400.0}, r"spec\.arc_deg: .*360 degrees"),
        ({"arc_deg": -1}, r"spec\.arc_deg"),
        ({"start_deg": math.inf}, r"spec\.start_deg"),
        ({"start_deg": None}, r"spec\.start_deg"),
        ({"limited_deg": [0]}, r"spec\.limited_deg"),
        ({"limited_deg": [0, 400]}, r"spec\.limited_deg: .*360 degrees"),
        ({"views": None, "angles_deg": [0, 10, 400]}, r"spec\.angles_deg: .*360 degrees"),
        ({"limited_deg": [0, 90], "arc_deg": 90}, r"spec\.arc_deg: not together"),
        ({"views": None, "angles_deg": [0, 0]}, r"spec\.angles_deg: .*same angle"),
        ({"views": None, "angles_deg": []}, r"spec\.angles_deg"),
        ({"views": None, "angles_deg": [0, "x"]}, r"spec\.angles_deg"),
        ({"views": None, "angles_deg": 4}, r"spec\.angles_deg"),
        ({"angles_deg": [0, 1]}, r"spec\.views: not together"),
        ({"geometry": "spiral"}, r"spec\.geometry"),
        ({"geometry": None}, r"spec\.geometry"),
        ({"geometry": PARALLEL}, r"spec\.views: the geometry brings"),
        ({"views": None, "geometry": {**PARALLEL, "pitch": 1}}, r"spec\.geometry\.pitch"),
        ({"views": None, "geometry": {**PARALLEL, "column_spacing": -1}}, r"spec\.geometry: column_spacing"),
        ({"views": None, "geometry": {**PARALLEL, "angles": [0, 90]}}, r"spec\.geometry: .*degrees"),
        ({"input_kind": "projections"}, r"spec\.geometry: measured"),
        ({"input_kind": "mesh"}, r"spec\.input_kind"),
        ({"simulation": {"photons": -1}}, r"spec\.simulation\.photons"),
        ({"simulation": {"photons": math.nan}}, r"spec\.simulation\.photons"),
        ({"simulation": {"phtons": 1}}, r"spec\.simulation\.phtons"),
        ({"simulation": {"noise": 1}}, r"spec\.simulation\.noise"),
        ({"simulation": [1]}, r"spec\.simulation"),
        ({"parameters": {"filter": "sharp"}}, r"spec\.parameters\.filter"),
        ({"parameters": {"steps": 3}}, r"spec\.parameters\.steps: unknown"),
        ({"parameters": {"filter": 10**400}}, r"spec\.parameters\.filter: number out of range"),
        ({"parameters": 3}, r"spec\.parameters"),
        ({"prior": ""}, r"spec\.prior"),
        ({"prior": 3}, r"spec\.prior"),
        ({"slices": [4, 4]}, r"spec\.slices"),
        ({"slices": [-1, 4]}, r"spec\.slices"),
        ({"slices": [0.0, 4]}, r"spec\.slices"),
        ({"slices": "0:4"}, r"spec\.slices"),
        ({"device": "tpu"}, r"spec\.device"),
        ({"seed": -1}, r"spec\.seed"),
        ({"seed": 1.5}, r"spec\.seed"),
        ({"seed": 2**64}, r"spec\.seed: number out of range"),
        ({"assume_hu": 1}, r"spec\.assume_hu"),
        ({"keep_projections": "yes"}, r"spec\.keep_projections"),
    ],
)
def test_what_is_wrong_is_named(change, text):
    with pytest.raises(ValueError, match=f"^{text}") as caught:
        JobSpec.from_dict({**GOOD, **change})
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("name", ["schema", "input", "method"])
def test_a_missing_field_is_named(name):
    with pytest.raises(ValueError, match=rf"^spec\.{name}"):
        JobSpec.from_dict({k: v for k, v in GOOD.items() if k != name})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[]", "expected an object"),
        ('{"a": NaN}', "NaN is not a finite number"),
        ('{"a": 1e999}', "must be finite"),
        ('{"a": 1, "a": 2}', "appears twice"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
        ('{"a": [[[[[[[[[[1]]]]]]]]]]}', "nested too deeply"),
        ('{"a": ' + json.dumps([0] * 10_001) + "}", "10001 entries"),
        ('{"a": ' + "9" * 5000 + "}", "."),
        ('{"a": "\\ud800"}', "control"),
    ],
)
def test_json_is_read_strictly(text, message):
    with pytest.raises(ValueError, match=message):
        parse_object(text, "spec")


def test_a_relative_input_stays_in_the_job_folder(tmp_path):
    inside = JobSpec.from_dict({**GOOD, "input": "in/ct.nrrd"})
    assert inside.input_path(tmp_path) == tmp_path / "in" / "ct.nrrd"
    with pytest.raises(ValueError, match=r"^spec\.input: a relative path must stay"):
        JobSpec.from_dict({**GOOD, "input": "../../etc/passwd"}).input_path(tmp_path)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = sorted(JobSpec.from_dict(GOOD).to_dict())


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), PLAIN, max_size=5))
def test_junk_is_refused_with_a_clear_error_or_is_valid(change):
    try:
        spec = JobSpec.from_dict({**GOOD, **change})
    except ValueError as error:
        assert str(error).startswith("spec.")
        assert "\n" not in str(error)
    else:
        assert JobSpec.from_json(json.dumps(spec.to_dict(), allow_nan=False)) == spec


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda b: b.decode("latin-1")))
def test_random_text_is_refused(text):
    with pytest.raises(ValueError):
        JobSpec.from_json(text)
