"""Values of several volumes along a markups line, as a table and a plot."""

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from . import grids

SAMPLES = 512
# Okabe and Ito's palette: distinguishable for colour-blind readers and in print.
COLOURS = ((0.0, 0.0, 0.0), (0.0, 0.447, 0.698), (0.835, 0.369, 0.0), (0.0, 0.62, 0.451))
TABLE_TAG, CHART_TAG, SERIES_TAG = (f"CTDiffusionReconProfile{kind}" for kind in ("Table", "Chart", "Series"))


def line_across(volumes):
    """A new markups line from right to left through the middle of what the volume nodes have in common."""
    middle = grids.common_centre(volumes)
    ends = grids.bounds_of(volumes[0])[:, 0]
    scene = slicer.mrmlScene
    line = scene.AddNewNodeByClass("vtkMRMLMarkupsLineNode", scene.GenerateUniqueName(_("Profile")))
    line.CreateDefaultDisplayNodes()
    for right in ends:
        line.AddControlPoint(vtk.vtkVector3d(float(right), float(middle[1]), float(middle[2])))
    return line


def sample(volumes, line, samples: int = SAMPLES) -> tuple[np.ndarray, list[np.ndarray]]:
    """Distances in mm along the line from its first point, and the values of every volume there (NaN outside).

    Raises:
        ValueError: the line has not both of its points.
    """
    if line.GetNumberOfDefinedControlPoints() < 2:
        raise ValueError(_("profile: the line {name} needs two points").format(name=line.GetName()))
    ends = np.zeros((2, 3))
    for index in range(2):
        line.GetNthControlPointPositionWorld(index, ends[index])
    share = np.linspace(0.0, 1.0, samples)[:, None]
    points = ends[0] + share * (ends[1] - ends[0])
    distance = share[:, 0] * np.linalg.norm(ends[1] - ends[0])
    return distance, [grids.values_at(volume, points) for volume in volumes]


def plot(volumes, line):
    """Fill the table and the chart of the profile from these volumes; returns the chart node.

    Raises:
        ValueError: as `sample`.
    """
    distance, values = sample(volumes, line)
    names = _unique([volume.GetName() for volume in volumes])
    table = _node("vtkMRMLTableNode", TABLE_TAG, _("Profile values"))
    columns = vtk.vtkTable()
    for name, column in zip((_("Distance (mm)"), *names), (distance, *values), strict=True):
        array = numpy_to_vtk(np.ascontiguousarray(column, dtype=np.float64), deep=True)
        array.SetName(name)
        columns.AddColumn(array)
    table.SetAndObserveTable(columns)
    chart = _node("vtkMRMLPlotChartNode", CHART_TAG, _("Profile"))
    chart.SetXAxisTitle(_("Distance (mm)"))
    chart.SetYAxisTitle(_("HU"))
    chart.SetLegendVisibility(True)
    chart.RemoveAllPlotSeriesNodeIDs()
    for index, name in enumerate(names):
        series = _node("vtkMRMLPlotSeriesNode", f"{SERIES_TAG}{index}", name)
        series.SetName(name)
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName(_("Distance (mm)"))
        series.SetYColumnName(name)
        series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
        series.SetLineWidth(2)
        series.SetColor(*COLOURS[index % len(COLOURS)])
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return chart


def _node(class_name: str, tag: str, name: str):
    """The one node of this tag in the scene, so that plotting again does not fill the scene."""
    scene = slicer.mrmlScene
    node = scene.GetSingletonNode(tag, class_name)
    if node is None:
        node = scene.CreateNodeByClass(class_name)
        node.UnRegister(None)
        node.SetSingletonTag(tag)
        node.SetName(name)
        node = scene.AddNode(node)
    return node


def _unique(names: list[str]) -> list[str]:
    """Names of table columns must differ."""
    return [name if names.index(name) == i else f"{name} ({names[:i].count(name) + 1})" for i, name in enumerate(names)]
