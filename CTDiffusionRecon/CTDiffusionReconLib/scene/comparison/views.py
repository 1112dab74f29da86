"""The comparison on screen: switches the layout, fills and links its views, and gives the former layout back."""

from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from . import grids, profile
from .layout import PLOT_TAG, ComparisonLayout, is_own_layout

ANNOTATION_SIZE = 14


class Comparison(VTKObservationMixin):
    """What is being compared. Volumes share window and level for as long as they are shown."""

    def __init__(self) -> None:
        VTKObservationMixin.__init__(self)
        self.layout: Any = None
        self.volumes: list[Any] = []
        self.line: Any = None
        self._former: int | None = None
        self._annotations: list[Any] = []
        self._adjusting = False

    @property
    def isShown(self) -> bool:
        """Whether the comparison is on screen now."""
        node = _layoutNode()
        return self.layout is not None and node is not None and node.GetViewArrangement() == self.layout.number

    def show(self, volumes, rows=("Axial", "Coronal"), line=None) -> None:
        """Show 2 to 4 volumes in columns, with a plot along `line` underneath if there is one.

        Raises:
            ValueError: too few or too many volumes, or one without voxels.
            RuntimeError: there is no main window to show them in.
        """
        volumes = list(volumes)
        if len(volumes) < 2:
            raise ValueError(_("compare: choose 2 to 4 volumes"))
        for volume in volumes:
            if volume is None or volume.GetImageData() is None:
                raise ValueError(_("compare: a volume has no voxels"))
        layout = ComparisonLayout(len(volumes), tuple(rows), line is not None)
        node = _layoutNode()
        if node is None:
            raise RuntimeError(_("compare: there is no main window; it was started without one"))
        self._forget()
        if not is_own_layout(node.GetViewArrangement()):
            self._former = node.GetViewArrangement()
        self.layout, self.volumes, self.line = layout, volumes, line
        if not node.IsLayoutDescription(layout.number):
            node.AddLayoutDescription(layout.number, layout.description)
        node.SetViewArrangement(layout.number)
        self._shareWindowLevel()
        for row, column, widget in self._widgets():
            self._fill(widget, row, volumes[column])
        self._fit()
        # The views have their final size only once Qt has laid them out.
        qt.QTimer.singleShot(0, self._fit)
        if line is not None:
            self._plot()
            self.addObserver(line, slicer.vtkMRMLMarkupsNode.PointModifiedEvent, self._onLineModified)

    def close(self) -> None:
        """Give back the layout from before the comparison. Safe at any time."""
        self._forget()
        node = _layoutNode()
        if node is not None and is_own_layout(node.GetViewArrangement()):
            node.SetViewArrangement(self._former or slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)
        self._former = None

    def onSceneClosing(self) -> None:
        """Forget nodes that are about to go; the layout goes back."""
        self.close()

    def _forget(self) -> None:
        self.removeObservers()
        for renderer, annotation in self._annotations:
            renderer.RemoveViewProp(annotation)
        self._annotations = []
        self.layout, self.volumes, self.line = None, [], None

    def _shareWindowLevel(self) -> None:
        first = _display(self.volumes[0])
        for volume in self.volumes:
            display = _display(volume)
            display.SetAutoWindowLevel(False)
            display.SetWindowLevel(first.GetWindow(), first.GetLevel())
            self.addObserver(display, vtk.vtkCommand.ModifiedEvent, self._onDisplayModified)

    def _onDisplayModified(self, caller, event) -> None:
        if self._adjusting:
            return
        self._adjusting = True
        try:
            for volume in self.volumes:
                display = volume.GetDisplayNode()
                if display is not None and display is not caller:
                    display.SetWindowLevel(caller.GetWindow(), caller.GetLevel())
        finally:
            self._adjusting = False

    def _widgets(self):
        """Row, column and widget of every slice view that there is."""
        manager = slicer.app.layoutManager()
        for row in self.layout.rows:
            for column in range(self.layout.columns):
                widget = manager.sliceWidget(self.layout.tag(row, column))
                if widget is not None:
                    yield row, column, widget

    def _fill(self, widget, row: str, volume) -> None:
        logic = widget.sliceLogic()
        composite = logic.GetSliceCompositeNode()
        composite.SetBackgroundVolumeID(volume.GetID())
        composite.SetForegroundVolumeID(None)
        composite.SetLabelVolumeID(None)
        composite.SetHotLinkedControl(True)
        composite.SetLinkedControl(True)
        logic.GetSliceNode().SetOrientation(row)
        self._annotate(widget, volume.GetName())

    def _fit(self) -> None:
        """Let every view show the whole first volume, at a slice that all volumes have."""
        if not self.isShown or any(volume.GetScene() is None for volume in self.volumes):
            return
        centre = grids.common_centre(self.volumes)
        for row, _column, widget in self._widgets():
            logic = widget.sliceLogic()
            # All views look at the place of the first volume, so that the others are seen as they lie to it.
            logic.FitSliceToVolume(self.volumes[0], *logic.GetSliceNode().GetDimensions()[:2])
            logic.SetSliceOffset(float(centre[("Sagittal", "Coronal", "Axial").index(row)]))
            logic.SnapSliceOffsetToIJK()

    def _annotate(self, widget, text: str) -> None:
        # An annotation of our own: Slicer's Data Probe writes into the view's own one whenever the view changes.
        renderer = widget.sliceView().renderWindow().GetRenderers().GetFirstRenderer()
        if renderer is None:
            return
        annotation = vtk.vtkCornerAnnotation()
        annotation.SetText(vtk.vtkCornerAnnotation.UpperLeft, text)
        annotation.SetMaximumFontSize(ANNOTATION_SIZE)
        annotation.GetTextProperty().SetColor(1.0, 1.0, 0.6)
        renderer.AddViewProp(annotation)
        self._annotations.append((renderer, annotation))
        widget.sliceView().scheduleRender()

    def _plot(self) -> None:
        chart = profile.plot(self.volumes, self.line)
        view = slicer.mrmlScene.GetSingletonNode(PLOT_TAG, "vtkMRMLPlotViewNode")
        if view is not None:
            view.SetPlotChartNodeID(chart.GetID())

    def _onLineModified(self, caller, event) -> None:
        if caller.GetNumberOfDefinedControlPoints() >= 2:
            profile.plot(self.volumes, caller)


def _layoutNode():
    """The layout node, or None where there is no main window."""
    manager = slicer.app.layoutManager()
    return None if manager is None else manager.layoutLogic().GetLayoutNode()


def _display(volume):
    if volume.GetDisplayNode() is None:
        volume.CreateDefaultDisplayNodes()
    return volume.GetDisplayNode()
