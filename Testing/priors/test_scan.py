"""Which scans a prior of one geometry takes, and the words in which it refuses the others."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from ctdiffusion.priors.kinds import check_kind, kind_of, load_prior
from ctdiffusion.priors.packs.pack import read_info, write_info
from ctdiffusion.priors.scan import check_scan
from ctdiffusion.scan.beams import ConeBeam, FanBeam, Grid, ParallelBeam, equispaced, limited_angle
from ctdiffusion.scan.machines import default_geometry, reference_fan
from priors.small_pack import INFO, small_pack

SCAN = {"kinds": ["fan"], "views_per_turn": [18, 288], "source_to_isocentre_px": [200, 1100]}
OWN = replace(INFO, scan=SCAN, spacing_range=(1.0, 2.0))
GRID = Grid((1, 64, 64), (1.0, 1.5, 1.5))


def fan(angles: tuple[float, ...], distance: float = 1000.0) -> FanBeam:
    return FanBeam(angles, distance, 2.0 * distance, 64, 3.0)


def test_a_scan_that_fits_passes_and_a_foreign_pixel_size_is_told() -> None:
    assert check_scan(OWN, fan(equispaced(30)), GRID) == (30, [])
    fine = Grid((1, 64, 64), (1.0, 0.5, 0.5))
    turn, warnings = check_scan(OWN, replace(fan(equispaced(30), 400.0), column_spacing=1.0), fine)
    assert turn == 30
    assert "trained on pixels of 1 to 2 mm, these are 0.5 mm" in warnings[0]
    flat = Grid((1, 64, 64), (1.0, 2.25, 1.0))
    assert check_scan(OWN, fan(equispaced(30)), flat)[1] == ["prior small knows square pixels, these are 2.25 x 1 mm"]


@pytest.mark.parametrize(
    ("geometry", "text"),
    [
        (ParallelBeam(equispaced(30, math.pi), 64, 1.5), "the geometry is parallel, not fan"),
        (ConeBeam(equispaced(30), 1000.0, 1500.0, 8, 64, 2.0, 2.0), "the geometry is cone, not fan"),
        (fan(limited_angle(30, 0.0, 3.0)), "not equally spaced over a full turn"),
        (fan(equispaced(9)), "9 views per full turn, not 18 to 288"),
        (fan(equispaced(700)), "700 views per full turn, not 18 to 288"),
        (fan(equispaced(30), 3000.0), "the source is 2000 pixels of 1.5 mm from the isocentre, not 200 to 1100"),
    ],
)
def test_another_scan_is_refused_by_what_differs(geometry, text: str) -> None:
    with pytest.raises(ValueError, match="small was trained for another scan") as error:
        check_scan(OWN, geometry, GRID)
    assert text in str(error.value)
    assert "\n" not in str(error.value)


RESTORER = replace(OWN, scan={"views_per_turn": [10, 288], "source_to_isocentre_px": [200.0, 1e6]})
TURNS = replace(OWN, domain="sinogram", scan={"full_views": 360, "source_to_isocentre_px": [1000.0, 1e6]})


@pytest.mark.parametrize("spacing", [1.1, 1.6, 2.8])
@pytest.mark.parametrize("size", [64, 256])
def test_scans_made_to_measure_pass_without_a_word(size: int, spacing: float) -> None:
    grid = Grid((1, size, size), (1.0, spacing, spacing))
    turn, half = equispaced(60, start=0.1), equispaced(30, math.pi)
    parallel, reference = default_geometry("parallel", half, grid), reference_fan(turn, grid)
    wide = {"spacing_range": (1.1, 2.8)}
    for geometry in (parallel, reference, default_geometry("fan", turn, grid)):
        assert check_scan(replace(RESTORER, **wide), geometry, grid) == (60, [])
    for geometry in (parallel, reference):
        assert check_scan(replace(TURNS, **wide), geometry, grid) == (60, [])
    _, warnings = check_scan(replace(RESTORER, **wide), default_geometry("fan-curved", turn, grid), grid)
    assert warnings == ["prior small was trained on flat detectors, this one is curved"]


@pytest.mark.parametrize(
    ("columns", "spacing", "offset", "text"),
    [
        (96, 3.0, 2.0, ""),
        (300, 0.75, 0.0, ""),  # finer columns cost nothing
        (48, 5.0, 0.0, "one detector column per pixel: a detector column is 2.5 mm at the isocentre, 1.7 pixels"),
        (24, 12.0, 0.0, "REFUSED a detector column is 6 mm at the isocentre, 4 pixels, not about 1"),
        (60, 3.0, 0.0, "REFUSED the detector sees a disc of radius 45.0 mm, the field of view needs 48.0 mm"),
        (96, 3.0, 15.0, "REFUSED the detector is off the axis"),
        (64, 3.0, 80.0, "REFUSED the detector is off the axis; the detector sees a disc of radius 8.0 mm"),
        (64, 3.0, 200.0, "REFUSED the detector is off the axis; the detector sees a disc of radius 0.0 mm"),
    ],
)
def test_the_detector_is_held_against_the_image(columns: int, spacing: float, offset: float, text: str) -> None:
    geometry = FanBeam(equispaced(30), 1000.0, 2000.0, columns, spacing, offset)
    if text.startswith("REFUSED "):
        with pytest.raises(ValueError, match=r"^prior: small was trained for another scan: ") as error:
            check_scan(RESTORER, geometry, GRID)
        assert text.removeprefix("REFUSED ") in str(error.value)
        return
    _, warnings = check_scan(RESTORER, geometry, GRID)
    assert [text in told for told in warnings] == ([True] if text else [])


@pytest.mark.parametrize("change", [{"curved": True}, {"column_offset": 0.5}])
def test_a_sinogram_has_to_have_its_rows_as_they_were_trained_on(change: dict) -> None:
    fitting = reference_fan(equispaced(60), GRID)
    assert check_scan(TURNS, fitting, GRID) == (60, [])
    with pytest.raises(ValueError, match=r"another scan: the detector is (curved|off the axis)$"):
        check_scan(TURNS, replace(fitting, **change), GRID)


def test_the_reference_fan_has_the_papers_proportions_and_truncates_nothing() -> None:
    geometry = reference_fan(equispaced(18), GRID)
    assert (geometry.source_to_isocentre, geometry.source_to_detector) == (1075 * 1.5, 2150 * 1.5)
    assert geometry.column_spacing / 2 == 1.5
    assert geometry.check(GRID) == []
    assert geometry.fov_radius >= GRID.corner_radius


def test_kinds_are_told_apart_and_refused_in_one_line(tmp_path: Path) -> None:
    cold = replace(INFO, parametrisation={"kind": "cold", "levels": [90, 30]})
    sinogram = replace(INFO, domain="sinogram")
    assert [kind_of(info) for info in (INFO, cold, sinogram)] == ["image", "restoration", "sinogram"]
    with pytest.raises(ValueError, match="small is a denoiser of images, method cvg needs a restoration network"):
        check_kind(INFO, "restoration", "cvg")
    with pytest.raises(ValueError, match="method msdiff needs a denoiser of sinograms"):
        load_prior(str(small_pack(tmp_path / "pack")), "sinogram", "sinogram-360", "msdiff", "cpu")


def test_a_pack_without_a_scan_is_read_and_one_with_it_keeps_it(tmp_path: Path) -> None:
    folder = small_pack(tmp_path / "pack")
    info = read_info(folder)
    assert info.scan == {}
    text = (folder / "prior.json").read_text(encoding="utf-8").replace(' "scan": {},\n', "")
    assert '"scan"' not in text
    (folder / "prior.json").write_text(text, encoding="utf-8")
    assert read_info(folder) == info
    write_info(folder, replace(info, scan=SCAN))
    assert read_info(folder).scan == SCAN
