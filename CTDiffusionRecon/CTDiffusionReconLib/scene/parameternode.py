"""What the user chose, as Slicer keeps it in the scene: one typed parameter node."""

import enum
from typing import Annotated

from slicer import vtkMRMLMarkupsLineNode, vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from ..panel.panelrequest import FITTED

# The values of `machine` that are not names of the engine's presets: FITTED and this one.
CUSTOM = "custom"

Length = Annotated[float, WithinRange(0.001, 100000.0)]
Offset = Annotated[float, WithinRange(-10000.0, 10000.0)]
Elements = Annotated[int, WithinRange(1, 20000)]
Angle = Annotated[float, WithinRange(-360.0, 360.0)]
SliceNumber = Annotated[int, WithinRange(0, 99999)]


class InputKind(enum.Enum):
    """What is reconstructed from."""

    VOLUME = "volume"
    PROJECTIONS = "projections"

    def label(self) -> str:
        """What the user reads; Slicer asks for it by this name."""
        return {
            "volume": _("CT volume (simulated projections)"),
            "projections": _("File of measured projections"),
        }[self.value]


class Beam(enum.Enum):
    """Shape of the beam; the values are the engine's names of its fitted geometries."""

    PARALLEL = "parallel"
    FAN = "fan"
    FAN_CURVED = "fan-curved"
    CONE = "cone"

    def label(self) -> str:
        """What the user reads."""
        return {
            "parallel": _("Parallel beam"),
            "fan": _("Fan beam, flat detector"),
            "fan-curved": _("Fan beam, curved detector"),
            "cone": _("Cone beam, circular orbit"),
        }[self.value]


class ViewSet(enum.Enum):
    """How view angles are given."""

    ARC = "arc"
    LIMITED = "limited"
    LIST = "list"

    def label(self) -> str:
        """What the user reads."""
        return {
            "arc": _("Equally spaced over an arc"),
            "limited": _("Limited angle"),
            "list": _("List of angles"),
        }[self.value]


class SliceChoice(enum.Enum):
    """Which slices are reconstructed."""

    ALL = "all"
    RANGE = "range"
    ROI = "roi"

    def label(self) -> str:
        """What the user reads."""
        return {"all": _("All"), "range": _("Range"), "roi": _("Those that an ROI covers")}[self.value]


@parameterNodeWrapper
class CTDiffusionReconParameterNode:
    """Everything the panel asks for, saved with the scene. What belongs to the computer (device, folder of priors)
    is a setting of the application instead, see `settings`.

    Lengths are mm, angles degrees. `methodParameters` and `thinParameters` are JSON: {method: {parameter: value}},
    only what differs from the method's own defaults. `thinFactor` 1 is automatic.
    """

    inputKind: InputKind = InputKind.VOLUME
    inputVolume: vtkMRMLScalarVolumeNode
    projectionsFile: str = ""
    measuredViews: Annotated[int, WithinRange(0, 10000)] = 0
    assumeHU: bool = False
    sliceChoice: SliceChoice = SliceChoice.ALL
    firstSlice: SliceNumber = 0
    lastSlice: SliceNumber = 0
    sliceROI: vtkMRMLMarkupsROINode

    beam: Beam = Beam.FAN
    machine: str = FITTED
    sourceToIsocentre: Length = 570.0
    sourceToDetector: Length = 1040.0
    detectorColumns: Elements = 672
    detectorRows: Elements = 64
    columnSpacing: Length = 1.4083
    rowSpacing: Length = 1.0
    columnOffset: Offset = 0.0
    rowOffset: Offset = 0.0

    viewSet: ViewSet = ViewSet.ARC
    views: Annotated[int, WithinRange(1, 10000)] = 30
    arc: Annotated[float, WithinRange(0.0, 360.0)] = 0.0
    startAngle: Angle = 0.0
    limitedSpan: Annotated[float, WithinRange(0.001, 359.999)] = 120.0
    angles: str = ""

    noise: bool = True
    photons: Annotated[float, WithinRange(10.0, 1e12)] = 1e5
    electronic: Annotated[float, WithinRange(0.0, 1e6)] = 10.0
    oversampling: Annotated[int, WithinRange(1, 8)] = 2
    seed: Annotated[int, WithinRange(0, 2147483647)] = 0

    method: str = "dds"
    methodParameters: str = "{}"
    prior: str = ""
    outputVolume: vtkMRMLScalarVolumeNode

    thickVolume: vtkMRMLScalarVolumeNode
    thinMethod: str = "zsr"
    thinFactor: Annotated[int, WithinRange(1, 8)] = 1
    thinParameters: str = "{}"

    resultVolume: vtkMRMLScalarVolumeNode
    regionSegmentation: vtkMRMLSegmentationNode
    regionSegment: str = ""
    regionROI: vtkMRMLMarkupsROINode

    compareAxial: bool = True
    compareCoronal: bool = True
    compareSagittal: bool = False
    profileLine: vtkMRMLMarkupsLineNode
