"""slicer.parameterNodeWrapper, as far as its documentation describes it and modules use it (no parameter packs)."""

from .connectors import Decimals, SingleStep
from .validators import Choice, Default, Exclude, Maximum, Minimum, NotNone, RangeBounds, Validator, WithinRange
from .wrapper import SlicerParameterNamePropertyName, isParameterNodeWrapper, parameterNodeWrapper

__all__ = [
    "Choice",
    "Decimals",
    "Default",
    "Exclude",
    "Maximum",
    "Minimum",
    "NotNone",
    "RangeBounds",
    "SingleStep",
    "SlicerParameterNamePropertyName",
    "Validator",
    "WithinRange",
    "isParameterNodeWrapper",
    "parameterNodeWrapper",
]
