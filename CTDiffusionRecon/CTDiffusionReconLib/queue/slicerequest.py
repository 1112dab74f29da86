"""SuperResolutionRequest: thin slices from thick ones, as a value that becomes the engine's `spec.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ctdiffusion.core.strictjson import check_plain

from .request import DEVICES

SCHEMA = 1
TASK = "superresolution"


@dataclass(frozen=True)
class SuperResolutionRequest:
    """One z super-resolution of a CT or MR volume; the engine checks every value again, strictly.

    Attributes:
        method: zsr (diffusion), linear, bspline or tv.
        factor: thin slices per thick one, 2 to 8; None chooses nearly isotropic voxels.
        parameters: parameters of the method; what is left out keeps its default.
        prior: name or folder of a prior pack (None: that of the volume's modality).
        device: auto, cpu or cuda.
        seed: of every random number.
        assume_hu: take the voxels as HU even where they do not look like it.

    Raises:
        ValueError: one line that begins with the field.
    """

    method: str = "zsr"
    factor: int | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    prior: str | None = None
    device: str = "auto"
    seed: int = 0
    assume_hu: bool = False
    # What a job shows of a reconstruction and a super-resolution does not have.
    geometry: None = field(default=None, init=False)
    view_count: None = field(default=None, init=False)
    slices: None = field(default=None, init=False)
    simulation: None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.method, str) or not self.method.strip():
            raise ValueError(f"method: a name is needed, got {self.method!r}")
        whole = isinstance(self.factor, int) and not isinstance(self.factor, bool)
        if self.factor is not None and not (whole and 2 <= self.factor <= 8):
            raise ValueError(f"factor: expected a whole number from 2 to 8, got {self.factor!r}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise ValueError(f"seed: expected a whole number of at least 0, got {self.seed!r}")
        if self.prior is not None and not (isinstance(self.prior, str) and self.prior.strip()):
            raise ValueError(f"prior: expected the name or folder of a prior pack, got {self.prior!r}")
        if not isinstance(self.assume_hu, bool):
            raise ValueError(f"assume_hu: expected True or False, got {self.assume_hu!r}")
        if self.device not in DEVICES:
            raise ValueError(f"device: must be one of {', '.join(DEVICES)}, got {self.device!r}")
        if not isinstance(self.parameters, Mapping):
            raise ValueError(f"parameters: expected names with values, got {self.parameters!r}")
        object.__setattr__(self, "parameters", dict(self.parameters))
        check_plain(self.parameters, "parameters")

    def spec(self, input_path: str | Path, input_kind: str = "volume") -> dict[str, Any]:
        """The engine's `spec.json` as plain values; a relative path starts at the job folder.

        Raises:
            ValueError: the input is not a volume.
        """
        if input_kind != "volume":
            raise ValueError("input: super-resolution takes a volume, not projections")
        names = ("method", "factor", "parameters", "prior", "device", "seed", "assume_hu")
        values = {name: getattr(self, name) for name in names}
        return {"schema": SCHEMA, "task": TASK, "input": str(input_path), **values}

    def changed(self, **values: Any) -> SuperResolutionRequest:
        """The same request with other values.

        Raises:
            ValueError: a value that is refused.
            TypeError: an unknown name.
        """
        return replace(self, **values)

    @property
    def label(self) -> str:
        """What a result is called after its input: `ZSR x5`."""
        return self.method.upper() + ("" if self.factor is None else f" x{self.factor}")
