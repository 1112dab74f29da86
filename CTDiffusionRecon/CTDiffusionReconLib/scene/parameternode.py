"""What the user chose, as Slicer keeps it in the scene: one typed parameter node."""

import enum
from collections.abc import Callable
from typing import Annotated, Any

from ctdiffusion.jobs.reconstruction_spec import DEFAULT_VIEWS, MAX_VIEWS
from ctdiffusion.jobs.tasks import TASKS
from ctdiffusion.methods.registry import RECONSTRUCTION, SUPERRESOLUTION
from ctdiffusion.operators.slice_profiles import FACTORS
from slicer import vtkMRMLMarkupsLineNode, vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Default, Maximum, Minimum, WithinRange, parameterNodeWrapper

from .fields import NodeField, node_fields
from .noderequest import CUSTOM, FITTED

__all__ = ["CUSTOM", "FITTED", "CTDiffusionReconParameterNode"]

# What a spin box holds.
MOST = 2147483647

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


def annotation(field: NodeField) -> Any:
    """The type of a field's parameter with its range and its default, as Slicer reads it."""
    info = field.info
    facts: list[Any] = [field.stored, Default(field.to_node(field.default))]
    low, high = info.low, info.high
    if field.stored is int:
        low, high = max(-MOST, -MOST if low is None else int(low)), min(MOST, MOST if high is None else int(high))
    if field.stored in (int, float):
        if low is not None and high is not None:
            facts.append(WithinRange(low, high))
        elif low is not None:
            facts.append(Minimum(low))
        elif high is not None:
            facts.append(Maximum(high))
    if info.choices and not info.optional:
        facts.append(Choice(list(info.choices)))
    return Annotated[tuple(facts)]


def declaring(*tasks: str) -> Callable[[type], type]:
    """Give a class a member for every plain field of the tasks' specifications (`fields.node_fields`).

    Raises:
        TypeError: the class has such a member already, for something else.
    """

    def declare(owner: type) -> type:
        written = set(owner.__annotations__)
        for field in (field for task in tasks for field in node_fields(task)):
            if field.name in written:
                raise TypeError(f"the field {field.path} would be the parameter {field.name}, which is another one")
            owner.__annotations__[field.name] = annotation(field)
        return owner

    return declare


@parameterNodeWrapper
@declaring(RECONSTRUCTION, SUPERRESOLUTION)
class CTDiffusionReconParameterNode:
    """Everything the panel asks for, saved with the scene. What belongs to the computer (device, folder of priors)
    is a setting of the application instead, see `settings`.

    Besides what stands here there is a member for every plain field of the engine's specifications (`declaring`).
    Lengths are mm, angles degrees. `methodParameters` and `thinParameters` are JSON: {method: {parameter: value}},
    only what differs from the method's own defaults. `thinFactor` 1 is automatic.
    """

    inputKind: InputKind = InputKind.VOLUME
    inputVolume: vtkMRMLScalarVolumeNode
    projectionsFile: str = ""
    measuredViews: Annotated[int, WithinRange(0, MAX_VIEWS)] = 0
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
    views: Annotated[int, WithinRange(1, MAX_VIEWS)] = DEFAULT_VIEWS
    arc: Annotated[float, WithinRange(0.0, 360.0)] = 0.0
    startAngle: Angle = 0.0
    limitedSpan: Annotated[float, WithinRange(0.001, 359.999)] = 120.0
    angles: str = ""

    method: str = TASKS[RECONSTRUCTION].default_method
    methodParameters: str = "{}"
    prior: str = ""
    outputVolume: vtkMRMLScalarVolumeNode

    thickVolume: vtkMRMLScalarVolumeNode
    thinMethod: str = TASKS[SUPERRESOLUTION].default_method
    thinFactor: Annotated[int, WithinRange(1, FACTORS[1])] = 1
    thinParameters: str = "{}"

    resultVolume: vtkMRMLScalarVolumeNode
    regionSegmentation: vtkMRMLSegmentationNode
    regionSegment: str = ""
    regionROI: vtkMRMLMarkupsROINode

    compareAxial: bool = True
    compareCoronal: bool = True
    compareSagittal: bool = False
    profileLine: vtkMRMLMarkupsLineNode
