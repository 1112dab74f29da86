"""What the panel's parameters become: geometry, view angles, slices. No Qt, no Slicer."""

from __future__ import annotations

import math
from dataclasses import make_dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
from ctdiffusion.acquisition.settings import SimulationSettings
from ctdiffusion.core.schema import describe, parameter
from ctdiffusion.jobs.reconstruction_spec import JobSpec
from ctdiffusion.methods.registry import RECONSTRUCTION, SUPERRESOLUTION, method_named
from CTDiffusionReconLib.panel.methodtext import decimals_for, explanation_html, label_of, step_for, tooltip_of
from CTDiffusionReconLib.scene.fields import node_fields
from CTDiffusionReconLib.scene.noderequest import angle_list, method_parameters, request_of, thin_request_of


def parameters(**changes: Any) -> SimpleNamespace:
    values: dict[str, Any] = {
        "inputKind": "volume", "measuredViews": 0, "assumeHU": False, "sliceChoice": "all", "firstSlice": 0,
        "lastSlice": 0, "beam": "fan", "machine": "fitted", "sourceToIsocentre": 570.0, "sourceToDetector": 1040.0,
        "detectorColumns": 672, "detectorRows": 64, "columnSpacing": 1.4083, "rowSpacing": 1.0, "columnOffset": 0.0,
        "rowOffset": 0.0, "viewSet": "arc", "views": 30, "arc": 0.0, "startAngle": 0.0, "limitedSpan": 120.0,
        "angles": "", "noise": True, "photons": 1e5, "electronic": 10.0, "oversampling": 2, "seed": 3,
        "method": "fbp", "methodParameters": "{}", "prior": "",
    }  # fmt: skip
    values = {field.name: field.to_node(field.default) for field in node_fields(RECONSTRUCTION)} | values | changes
    for name in ("inputKind", "sliceChoice", "beam", "viewSet"):
        values[name] = SimpleNamespace(value=values[name])
    return SimpleNamespace(**values)


def spec_of(**changes: Any) -> JobSpec:
    """The engine's own reading of the request: what it refuses would fail here."""
    return JobSpec.from_dict(request_of(parameters(**changes), "cpu").to_dict())


def test_fitted_geometry_leaves_the_detector_to_the_engine() -> None:
    spec = spec_of(arc=180.0, startAngle=5.0)
    assert (spec.geometry, spec.views, spec.arc_deg, spec.start_deg, spec.seed) == ("fan", 30, 180.0, 5.0, 3)
    assert spec.simulation.photons == 1e5 and spec.simulation.oversampling == 2
    assert spec.device == "cpu" and spec.slices is None


@pytest.mark.parametrize(("beam", "arc"), [("parallel", 180.0), ("fan", 360.0), ("cone", 360.0)])
def test_automatic_arc_is_that_of_the_engine(beam: str, arc: float) -> None:
    own = spec_of(beam=beam, machine="custom").explicit_geometry()
    assert own is not None
    assert own.angles == pytest.approx(spec_of(beam=beam).angles())
    assert own.angles[1] == pytest.approx(math.radians(arc / 30))


def test_own_distances_become_a_full_geometry() -> None:
    geometry = spec_of(
        beam="cone", machine="cbct-obi", sourceToIsocentre=1000.0, sourceToDetector=1500.0, detectorColumns=1024,
        detectorRows=768, columnSpacing=0.388, rowSpacing=0.4, columnOffset=-10.0, rowOffset=2.0, views=4,
        startAngle=90.0,
    ).explicit_geometry()  # fmt: skip
    assert geometry.to_dict() == {
        "kind": "cone", "angles": pytest.approx([math.radians(a) for a in (90, 180, 270, 360)]),
        "source_to_isocentre": 1000.0, "source_to_detector": 1500.0, "rows": 768, "columns": 1024, "row_spacing": 0.4,
        "column_spacing": 0.388, "row_offset": 2.0, "column_offset": -10.0,
    }  # fmt: skip
    assert spec_of(beam="fan-curved", machine="custom").explicit_geometry().curved is True
    assert spec_of(beam="fan", machine="custom").explicit_geometry().curved is False


def test_limited_angle_has_both_its_ends() -> None:
    both: dict[str, Any] = {"viewSet": "limited", "views": 5, "startAngle": -30.0, "limitedSpan": 60.0}
    own = spec_of(machine="custom", **both).explicit_geometry()
    assert own is not None
    assert own.angles == pytest.approx([math.radians(angle) for angle in (-30.0, -15.0, 0.0, 15.0, 30.0)])
    assert spec_of(**both).limited_deg == (-30.0, 60.0)


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"viewSet": "list", "angles": "0 400"}, {"angles_deg": [0.0, 400.0]}),
        ({"viewSet": "list", "angles": "0 0"}, {"angles_deg": [0.0, 0.0]}),
        ({"viewSet": "limited", "views": 1}, {"views": 1, "limited_deg": [0.0, 120.0]}),
        ({"viewSet": "limited", "limitedSpan": 360.0}, {"views": 30, "limited_deg": [0.0, 360.0]}),
        ({"arc": 400.0}, {"views": 30, "arc_deg": 400.0}),
    ],
)
@pytest.mark.parametrize("machine", ["fitted", "custom"])
def test_impossible_views_are_refused_in_the_engines_words(
    machine: str, changes: dict[str, Any], options: dict[str, Any]
) -> None:
    """In degrees, as they were given, and before there is a job."""
    with pytest.raises(ValueError, match="spec") as engine:
        JobSpec.from_dict({"schema": 1, "input": "a", "method": "fbp", "geometry": "fan", **options})
    with pytest.raises(ValueError, match=r"_deg: ") as refused:
        request_of(parameters(machine=machine, **changes), "cpu")
    assert f"spec.{refused.value}" == str(engine.value)
    assert "degrees?" not in str(refused.value)


def test_list_of_angles() -> None:
    assert angle_list(" 0, 1.5;3\t4e1 ") == (0.0, 1.5, 3.0, 40.0)
    assert spec_of(viewSet="list", angles="0 10 20").angles_deg == (0.0, 10.0, 20.0)
    for text, said in (("", "a list"), ("0, x", "'x' is not a number")):
        with pytest.raises(ValueError, match=said):
            angle_list(text)


def test_slices_are_counted_inclusively() -> None:
    assert spec_of(sliceChoice="range", firstSlice=24, lastSlice=39).slices == (24, 40)
    assert request_of(parameters(sliceChoice="roi"), "cpu", (3, 9)).slices == (3, 9)
    with pytest.raises(ValueError, match="4 to 2"):
        request_of(parameters(sliceChoice="range", firstSlice=4, lastSlice=2), "cpu")


def test_measured_projections_bring_their_own_geometry() -> None:
    assert spec_of(inputKind="projections").views is None
    spec = spec_of(inputKind="projections", measuredViews=60, machine="custom", viewSet="list", angles="nonsense")
    assert (spec.geometry, spec.views, spec.angles_deg) == (None, 60, None)


def test_detector_before_the_isocentre_is_refused() -> None:
    with pytest.raises(ValueError, match="nearer to the source"):
        request_of(parameters(machine="custom", sourceToDetector=100.0), "auto")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"fbp": 3}', '{"tv": {"iterations": 2}}'])
def test_unreadable_parameters_are_the_defaults(text: str) -> None:
    assert method_parameters(text, "fbp") == {}


def test_own_parameters_reach_the_engine() -> None:
    assert spec_of(methodParameters='{"fbp": {"filter": "hann"}}').method_parameters().filter == "hann"


def described(default: Any, **facts: Any) -> Any:
    """The description of a parameter."""
    owner = make_dataclass("Owner", [("strength", float | None, parameter(default, "Weight.", **facts))])
    return describe(owner)[0]


def test_explanations_link_to_the_papers() -> None:
    source = "X 2024, arXiv:2303.05754; Y, doi:10.1/a(b)c; Z"
    text = explanation_html(replace(method_named("fbp"), summary="a < b", source=source))
    assert "a &lt; b" in text
    assert '<a href="https://arxiv.org/abs/2303.05754">arXiv:2303.05754</a>' in text
    assert '<a href="https://doi.org/10.1/a(b)c">doi:10.1/a(b)c</a>; Z' in text


def test_numbers_are_shown_finely_enough() -> None:
    assert decimals_for(described(5e-5, low=0.0)) == 7
    assert decimals_for(described(1.9, low=0.01)) == 4
    assert decimals_for(described(None)) == 2
    assert step_for(described(0.05)) == pytest.approx(0.01)
    assert label_of("cg_iterations") == "CG iterations"
    text = tooltip_of(described(None, unit="1/mm", low=0.0, high=10.0))
    assert "From 0 to 10 1/mm." in text and "Default: automatic." in text and "Name in scripts: strength." in text


def test_every_plain_field_reaches_the_request() -> None:
    """What no section of the panel stands for goes from the parameter node as it is."""
    others = {"keep_projections": False, "assume_hu": True, "seed": 8}
    simulated = {"photons": 2e4, "electronic": 3.0, "oversampling": 3, "noise": False, "same_grid": True}
    fields = node_fields(RECONSTRUCTION)
    wanted = {**others, **{f"simulation.{name}": value for name, value in simulated.items()}}
    assert {field.path for field in fields} == set(wanted), "a new one appears here by itself; say its value above"
    spec = spec_of(**{field.name: field.to_node(wanted[field.path]) for field in fields})
    assert {name: getattr(spec, name) for name in others} == others
    assert spec.simulation == SimulationSettings(**simulated)
    measured = spec_of(inputKind="projections", keepProjections=False, photons=20.0)
    assert measured.simulation == SimulationSettings() and not measured.keep_projections


def test_a_field_that_may_be_automatic_is_kept_as_text() -> None:
    fields = {field.path: field for field in node_fields(SUPERRESOLUTION)}
    width = fields["profile_mm"]
    assert (width.name, width.stored) == ("thinProfileMm", str)
    for value, text in ((None, ""), (2.5, "2.5")):
        assert width.to_node(value) == text and width.to_field(text) == value
    assert width.to_field("wide") == "wide", "the engine refuses it by name"
    values = {field.name: field.to_node(field.default) for field in fields.values()}
    values |= {"thinMethod": "linear", "thinParameters": "{}", "thinFactor": 4}
    values |= {"thinProfile": "gaussian", "thinProfileMm": "2.5"}
    spec = thin_request_of(SimpleNamespace(**values), "cpu")
    assert spec.to_dict()["profile_mm"] == 2.5 and spec.to_dict()["profile"] == "gaussian"
    with pytest.raises(ValueError, match=r"^profile_mm: expected a number or null, got wide"):
        thin_request_of(SimpleNamespace(**values | {"thinProfileMm": "wide"}), "cpu")
