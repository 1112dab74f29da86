"""The table of results: a row for every reconstruction, with its numbers."""

from typing import Any

import slicer
import vtk

from ..engine.slicerengine import scenesKeepPaths
from ..queue.job import ReconstructionJob
from .provenance import PREFIX, attributes

TABLE_NAME = "Reconstruction results"
MARK = PREFIX + "ResultsTable"
# Column with the attribute that it shows; numbers are right-aligned columns of numbers, and can be plotted.
TEXTS = {"Input": "Input", "Method": "Method", "Geometry": "Geometry"}
WHOLES = {"Views": "Views"}
NUMBERS = {
    "PSNR dB": "PSNR",
    "SSIM": "SSIM",
    "RMSE HU": "RMSE_HU",
    "Misfit": "Misfit",
    "Seconds": "Seconds",
}
NODE_COLUMN, FOLDER_COLUMN = "Node", "Job folder"


class ResultsTable:
    """Finds or makes the scene's table of results and adds to it."""

    def node(self, create: bool = False) -> Any:
        """The table node of this scene; None where there is none and none is to be made."""
        found = slicer.mrmlScene.GetNodesByClass("vtkMRMLTableNode")
        found.UnRegister(None)
        for index in range(found.GetNumberOfItems()):
            if found.GetItemAsObject(index).GetAttribute(MARK):
                return found.GetItemAsObject(index)
        return _made() if create else None

    def append(self, job: ReconstructionJob, input_name: str) -> None:
        """Add a finished job's row. What is not defined (no reference, infinite) is NaN, or -1 views."""
        table = self.node(create=True)
        values = attributes(job, input_name, scenesKeepPaths())
        data = table.GetTable()
        row = data.InsertNextBlankRow()
        for column, name in TEXTS.items():
            data.SetValueByName(row, column, vtk.vtkVariant(values.get(PREFIX + name, "")))
        for column, name in WHOLES.items():
            data.SetValueByName(row, column, vtk.vtkVariant(int(float(values.get(PREFIX + name, -1)))))
        for column, name in NUMBERS.items():
            data.SetValueByName(row, column, vtk.vtkVariant(float(values.get(PREFIX + name, "nan"))))
        node = job.resultNode
        data.SetValueByName(row, NODE_COLUMN, vtk.vtkVariant("" if node is None else node.GetID()))
        data.SetValueByName(row, FOLDER_COLUMN, vtk.vtkVariant(values[PREFIX + "JobFolder"]))
        table.Modified()

    def rows(self) -> list[dict[str, Any]]:
        """Every row as a dictionary by column."""
        table = self.node()
        if table is None:
            return []
        data = table.GetTable()
        names = [data.GetColumnName(i) for i in range(data.GetNumberOfColumns())]
        return [{name: _value(data, row, name) for name in names} for row in range(data.GetNumberOfRows())]


def _made() -> Any:
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", TABLE_NAME)
    table.SetAttribute(MARK, "1")
    columns = [
        *((name, vtk.vtkStringArray) for name in TEXTS),
        *((name, vtk.vtkIntArray) for name in WHOLES),
        *((name, vtk.vtkDoubleArray) for name in NUMBERS),
        (NODE_COLUMN, vtk.vtkStringArray),
        (FOLDER_COLUMN, vtk.vtkStringArray),
    ]
    for name, kind in columns:
        array = kind()
        array.SetName(name)
        table.AddColumn(array)
    table.SetUseColumnTitleAsColumnHeader(True)
    table.SetLocked(True)
    return table


def _value(data: Any, row: int, name: str) -> Any:
    value = data.GetValueByName(row, name)
    if name in WHOLES:
        return value.ToInt()
    return value.ToDouble() if name in NUMBERS else value.ToString()
