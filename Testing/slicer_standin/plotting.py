"""Draws a vtkMRMLPlotChartNode with QPainter, since Slicer's own plot view needs OpenGL."""

from __future__ import annotations

import numpy
import slicer
from PySide6 import QtCore, QtGui


def _series(chart):
    """(name, x, y, colour) of every series that has its columns."""
    found = []
    for index in range(chart.GetNumberOfPlotSeriesNodes()):
        node = chart.GetNthPlotSeriesNode(index)
        table = node.GetTableNode() if node else None
        if table is None:
            continue
        y = slicer.util.arrayFromTableColumn(table, node.GetYColumnName())
        name = node.GetXColumnName()
        x = slicer.util.arrayFromTableColumn(table, name) if name else numpy.arange(len(y))
        found.append((node.GetName(), numpy.asarray(x, float), numpy.asarray(y, float), node.GetColor()))
    return found


def draw_chart(painter, area, chart) -> None:
    """Frame, end values of both axes, one line for each series, legend, titles."""
    painter.fillRect(area, QtGui.QColor("white"))
    series = _series(chart) if chart is not None else []
    if not series:
        return
    frame = area.adjusted(64, 26, -230, -40)
    values = [numpy.concatenate([entry[axis] for entry in series]) for axis in (1, 2)]
    low = [float(numpy.nanmin(v)) for v in values]
    span = [max(float(numpy.nanmax(v)) - start, 1e-9) for v, start in zip(values, low, strict=True)]
    painter.setPen(QtGui.QColor("black"))
    painter.drawRect(frame)
    flag = QtCore.Qt.AlignmentFlag
    painter.drawText(area.adjusted(0, 4, 0, 0), flag.AlignTop | flag.AlignHCenter, chart.GetTitle() or "")
    painter.drawText(area.adjusted(0, 0, 0, -4), flag.AlignBottom | flag.AlignHCenter, chart.GetXAxisTitle() or "")
    painter.drawText(4, 18, chart.GetYAxisTitle() or "")
    for fraction in (0.0, 0.5, 1.0):
        x, y = frame.left() + fraction * frame.width(), frame.bottom() - fraction * frame.height()
        painter.drawText(int(x) - 20, frame.bottom() + 16, f"{low[0] + fraction * span[0]:.0f}")
        painter.drawText(6, int(y) + 5, f"{low[1] + fraction * span[1]:.0f}")
    painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
    for row, (name, x, y, colour) in enumerate(series):
        painter.setPen(QtGui.QPen(QtGui.QColor.fromRgbF(*colour), 1.5))
        points = [
            QtCore.QPointF(
                frame.left() + (a - low[0]) / span[0] * frame.width(),
                frame.bottom() - (b - low[1]) / span[1] * frame.height(),
            )
            for a, b in zip(x, y, strict=True)
            if numpy.isfinite(b)
        ]
        painter.drawPolyline(points)
        painter.drawText(frame.right() + 12, frame.top() + 16 + 16 * row, name)
