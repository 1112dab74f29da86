"""The comparison on the real MRML core: what the layouts hold, differences, profiles, mixtures, links."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("slicer")


def volume(name: str, values: np.ndarray, origin: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Any:
    """A volume node `[slice, row, column]` of 2 x 2 x 3 mm voxels, LPS directions as CT has them."""
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(node, values)
    node.SetIJKToRASDirections(-1, 0, 0, 0, -1, 0, 0, 0, 1)
    node.SetSpacing(2.0, 2.0, 3.0)
    node.SetOrigin(*origin)
    node.CreateDefaultDisplayNodes()
    return node


def ramp(slices: int = 6, rows: int = 20, columns: int = 24) -> np.ndarray:
    k, j, i = np.meshgrid(np.arange(slices), np.arange(rows), np.arange(columns), indexing="ij")
    return (100.0 * k + 10.0 * j + i).astype(np.float32)


def test_every_layout_has_its_own_number_and_the_views_that_it_says() -> None:
    from CTDiffusionReconLib.scene.comparison.layout import COLUMNS, ComparisonLayout, is_own_layout

    rows = [("Axial",), ("Coronal", "Axial"), ("Axial", "Coronal", "Sagittal"), ("Sagittal",)]
    layouts = [ComparisonLayout(c, r, p) for c in COLUMNS for r in rows for p in (False, True)]
    numbers = {layout.number for layout in layouts}
    assert len(numbers) == len(layouts) and min(numbers) > 100 and all(map(is_own_layout, numbers))
    assert not is_own_layout(3)
    layout = ComparisonLayout(3, ("Sagittal", "Axial"), plot=True)
    views = ElementTree.fromstring(layout.description).iter("view")
    found = [(v.get("class"), v.get("singletontag"), v.findtext("property[@name='orientation']")) for v in views]
    wanted = [("vtkMRMLSliceNode", layout.tag(r, c), r) for r in ("Axial", "Sagittal") for c in range(3)]
    assert found == [*wanted, ("vtkMRMLPlotViewNode", "CTDiffusionReconProfile", None)]
    with pytest.raises(ValueError, match="2 to 4 volumes, got 5"):
        ComparisonLayout(5)
    with pytest.raises(ValueError, match="no orientation"):
        ComparisonLayout(2, ("Oblique",))


def test_values_on_another_grid_are_those_of_the_same_place(fresh: Any) -> None:
    from CTDiffusionReconLib.scene.comparison.grids import on_grid_of, same_grid

    whole, part = volume("whole", ramp()), volume("part", ramp()[2:5], origin=(0.0, 0.0, 6.0))
    assert not same_grid(whole, part)
    values, covered = on_grid_of(part, whole)
    assert covered.any(axis=(1, 2)).tolist() == [False, False, True, True, True, False]
    np.testing.assert_allclose(values[2:5], ramp()[2:5], atol=1e-3)
    assert not values[~covered].any()


def test_difference_is_in_hu_with_zero_in_white(fresh: Any) -> None:
    import slicer
    from CTDiffusionReconLib.scene.comparison.difference import difference_volume

    reference, other = volume("reference", ramp()), volume("other", (ramp() + 40.0)[1:4], origin=(0.0, 0.0, 3.0))
    node = difference_volume(reference, other)
    array = slicer.util.arrayFromVolume(node)
    np.testing.assert_allclose(array[1:4], 40.0, atol=1e-3)
    assert not array[0].any() and not array[4:].any()
    display = node.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (200.0, 0.0)
    colour = np.zeros(4)
    table = display.GetColorNode()
    for index, wanted in ((0, (0.13, 0.29, 0.66)), (255, (0.70, 0.09, 0.17))):
        table.GetColor(index, colour)
        assert colour[:3] == pytest.approx(wanted, abs=0.01)
    table.GetColor(127, colour)
    assert colour.min() > 0.97
    assert difference_volume(reference, other).GetDisplayNode().GetColorNodeID() == display.GetColorNodeID()
    far = volume("far", ramp(), origin=(0.0, 0.0, 1000.0))
    with pytest.raises(ValueError, match="far does not overlap"):
        difference_volume(reference, far)


def test_checkerboard_takes_both_in_turn(fresh: Any) -> None:
    import slicer
    from CTDiffusionReconLib.scene.comparison.mixing import checkerboard_volume

    size = (2, 32, 32)
    node = checkerboard_volume(volume("a", np.zeros(size)), volume("b", np.ones(size)), squares=4)
    array = slicer.util.arrayFromVolume(node)
    assert array[0, ::8, ::8].tolist() == [[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]]
    assert array.mean() == 0.5


def test_profile_reads_values_in_place(fresh: Any) -> None:
    import slicer
    import vtk
    from CTDiffusionReconLib.scene.comparison import profile

    node = volume("ramp", ramp())
    line = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsLineNode", "line")
    with pytest.raises(ValueError, match="needs two points"):
        profile.sample([node], line)
    # Along the columns: voxel i lies at R = -2 i, so this line runs from column 1 to column 21 in row 5 of slice 2.
    for column in (1, 21):
        line.AddControlPoint(vtk.vtkVector3d(-2.0 * column, -10.0, 6.0))
    distance, (values,) = profile.sample([node], line, 41)
    assert distance[-1] == pytest.approx(40.0)
    np.testing.assert_allclose(values, 250.0 + np.linspace(1, 21, 41), atol=1e-3)
    line.SetNthControlPointPosition(1, 200.0, -10.0, 6.0)
    assert np.isnan(profile.sample([node], line, 41)[1][0][-1])


def test_plotting_again_does_not_fill_the_scene(fresh: Any) -> None:
    import slicer
    from CTDiffusionReconLib.scene.comparison import profile

    nodes = [volume("same", ramp()), volume("same", ramp() + 1.0)]
    line = profile.line_across(nodes)
    chart = profile.plot(nodes, line)
    before = slicer.mrmlScene.GetNumberOfNodes()
    assert profile.plot(nodes, line) is chart and slicer.mrmlScene.GetNumberOfNodes() == before
    table = chart.GetNthPlotSeriesNode(0).GetTableNode().GetTable()
    names = [table.GetColumnName(i) for i in range(table.GetNumberOfColumns())]
    assert names == ["Distance (mm)", "same", "same (2)"]
    assert chart.GetNumberOfPlotSeriesNodes() == 2


def test_default_line_goes_through_the_slab_that_a_result_covers(fresh: Any) -> None:
    from CTDiffusionReconLib.scene.comparison import profile

    whole, slab = volume("whole", ramp()), volume("slab", ramp()[:2])
    line = profile.line_across([whole, slab])
    _, (first, second) = profile.sample([whole, slab], line, 50)
    assert np.isfinite(second).sum() > 40
    np.testing.assert_allclose(first[10:40], second[10:40], atol=1e-3)


def test_side_by_side_links_views_and_window_and_gives_the_layout_back(fresh: Any) -> None:
    import slicer
    from CTDiffusionReconLib.scene.comparison.views import Comparison

    volumes = [volume("reference", ramp()), volume("FBP", ramp() + 5.0), volume("slab", ramp()[3:5], (0.0, 0.0, 9.0))]
    manager = slicer.app.layoutManager()
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
    comparison = Comparison()
    volumes[0].GetDisplayNode().SetAutoWindowLevel(False)
    volumes[0].GetDisplayNode().SetWindowLevel(300.0, 40.0)
    comparison.show(volumes, ("Sagittal", "Axial"))
    assert comparison.isShown
    fresh.process_until(lambda: False, 0.2)
    logics = {tag: manager.sliceWidget(tag).sliceLogic() for tag in _tags(comparison)}
    for tag, logic in logics.items():
        composite = logic.GetSliceCompositeNode()
        assert composite.GetLinkedControl() and composite.GetHotLinkedControl()
        assert composite.GetBackgroundVolumeID() == volumes[int(tag[-1]) - 1].GetID()
        corner = manager.sliceWidget(tag).sliceView().renderWindow().GetRenderers().GetFirstRenderer().GetViewProps()
        texts = [corner.GetItemAsObject(i).GetText(2) for i in range(corner.GetNumberOfItems())]
        assert volumes[int(tag[-1]) - 1].GetName() in texts
    axial = logics["CTDiffusionReconAxial1"]
    # The slab is 9 to 12 mm high: so every view shows something of every volume.
    assert 7.5 <= axial.GetSliceOffset() <= 13.5
    assert {node.GetDisplayNode().GetWindow() for node in volumes} == {300.0}
    volumes[2].GetDisplayNode().SetWindowLevel(900.0, -100.0)
    assert {(node.GetDisplayNode().GetWindow(), node.GetDisplayNode().GetLevel()) for node in volumes} == {(900, -100)}

    axial.StartSliceNodeInteraction(slicer.vtkMRMLSliceNode.SliceToRASFlag)
    axial.SetSliceOffset(3.0)
    axial.EndSliceNodeInteraction()
    assert [logics[f"CTDiffusionReconAxial{c}"].GetSliceOffset() for c in (1, 2, 3)] == [3.0, 3.0, 3.0]
    assert manager.sliceWidget("Red").sliceLogic().GetSliceNode().GetSliceToRAS().GetElement(2, 3) != 3.0

    comparison.show(volumes[:2], ("Axial",))
    comparison.close()
    assert not comparison.isShown
    assert manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView
    volumes[0].GetDisplayNode().SetWindowLevel(50.0, 0.0)
    assert volumes[1].GetDisplayNode().GetWindow() == 900.0, "closed: no longer linked"


def test_what_cannot_be_compared_is_refused(fresh: Any) -> None:
    import slicer
    from CTDiffusionReconLib.scene.comparison.views import Comparison

    one, empty = volume("one", ramp()), slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    before = slicer.app.layoutManager().layout
    for wrong in ([], [one], [one, None], [one, empty], [one] * 5):
        with pytest.raises(ValueError, match="compare"):
            Comparison().show(wrong)
    assert slicer.app.layoutManager().layout == before


def test_without_a_main_window_everything_but_comparing_works(fresh: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import slicer
    from slicer_standin.fixtures import MODULE

    monkeypatch.setattr(type(slicer.app), "layoutManager", lambda self: None)
    widget = fresh.load_module(MODULE)
    widget._parameterNode.inputVolume = one = volume("one", ramp())
    assert widget.ui.applyButton.enabled, widget.ui.applyButton.toolTip
    with pytest.raises(RuntimeError, match="no main window"):
        widget.logic.compare([one, volume("two", ramp())])
    widget.logic.comparison.close()
    widget.exit()
    widget.enter()


def _tags(comparison: Any) -> list[str]:
    layout = comparison.layout
    return [layout.tag(row, column) for row in layout.rows for column in range(layout.columns)]
