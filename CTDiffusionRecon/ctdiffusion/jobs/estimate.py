"""How long a reconstruction will take and how much memory it needs, before it is started. Imports nothing heavy.

The work is counted (samples along rays, network evaluations of pixels) and multiplied by speeds that `calibration`
measures once on a computer. Within a factor of two for the methods that ship; a guess where nothing has been measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..core.folders import cache_folder
from ..core.schema import from_mapping
from ..core.strictjson import read_object
from ..methods.registry import Method
from ..scan.beams import Geometry, Grid
from ..scan.memory import held_bytes
from ..scan.sampling_grid import sampling_grid

FILE = "calibration.json"
# Coefficients of a stored projector: entries for each sample of a ray, bytes for each, and the limits for storing it.
_ENTRIES, _ENTRY_BYTES, _MATRIX_LIMIT, _MOST_ENTRIES = 2.0, 16, 1_000_000_000, 2**31
# `priors.kinds.SINOGRAM`, without torch, and the rows that such a network sees: a turn, and what hides its ends.
_SINOGRAM, _TURN_ROWS = "sinogram", 384
_IO_NS = 150.0


@dataclass(frozen=True)
class Speed:
    """What a computer does, in ns. A sample is one step of one ray through one row or column of voxels.

    Attributes:
        device: cpu or cuda.
        sample_ns: forward and back-projection of a sample, parallel and fan beams.
        build_ns: setting up the projector, for a sample of one slice.
        cone_ns: the same pair for a cone beam.
        voxel_ns: everything else an iteration does with a voxel.
        network_ns: evaluation of a prior on a pixel, by the prior's name.
        network_bytes: memory of a pixel inside the network.
        batch: slices evaluated at once.
        start_s: start of the engine.
        base_bytes: memory of the engine without data.
        measured: whether these are measured on this computer.
    """

    device: str = "cpu"
    sample_ns: float = 3.0
    build_ns: float = 150.0
    cone_ns: float = 12.0
    voxel_ns: float = 20.0
    network_ns: Mapping[str, float] = field(default_factory=lambda: {"ct-triplet-256": 2500.0})
    network_bytes: float = 2400.0
    batch: int = 8
    start_s: float = 8.0
    base_bytes: float = 9e8
    measured: bool = False


# A current data-centre or workstation GPU, where none has been measured.
CUDA = Speed(
    "cuda", sample_ns=0.1, build_ns=80.0, cone_ns=0.5, voxel_ns=0.5, network_ns={"ct-triplet-256": 25.0}, batch=32,
    start_s=12.0, base_bytes=3e9,
)  # fmt: skip


@dataclass(frozen=True)
class Estimate:
    """What a reconstruction will take.

    Attributes:
        seconds: altogether.
        low_s, high_s: between these, most likely.
        parts: seconds by part: start, projector, network, other.
        memory_bytes: of the process.
        gpu_bytes: of the GPU; 0 on the CPU.
        note: what makes it uncertain, or an empty text.
    """

    seconds: float
    low_s: float
    high_s: float
    parts: dict[str, float]
    memory_bytes: float
    gpu_bytes: float
    note: str = ""


def estimate(
    method: Method,
    parameters: Mapping[str, Any],
    geometry: Geometry,
    grid: Grid,
    speed: Speed,
    oversampling: int | None = None,
    prior: str | None = None,
) -> Estimate:
    """Time and memory of a reconstruction.

    Args:
        method: the method.
        parameters: those that differ from their defaults.
        geometry: the scan.
        grid: the voxels.
        speed: of the device that will compute.
        oversampling: how much finer the measurement is simulated; None for measured projections.
        prior: name of the prior pack.
    """
    work = method.work(from_mapping(method.parameters, parameters, "parameters"))
    own = sampling_grid(grid, work.grid)
    samples = ray_samples(geometry, own)
    stack = geometry.is_stack
    pair_ns = (speed.sample_ns if stack else speed.cone_ns) * samples + speed.voxel_ns * _voxels(own)
    projector = work.pairs * pair_ns + (0.5 * speed.sample_ns * ray_samples(geometry, grid))
    if stack:
        setups = 1 if own == grid else 2
        projector += setups * speed.build_ns * samples / grid.shape[0]
    if oversampling is not None:
        # As many times more rays, each as many times longer; a cone beam has finer rows, too.
        finer = float(oversampling**2 if stack else oversampling**3)
        projector += 0.5 * (speed.sample_ns if stack else speed.cone_ns) * finer * ray_samples(geometry, grid)
        if stack and oversampling > 1:
            projector += speed.build_ns * finer * ray_samples(geometry, grid) / grid.shape[0]
    known = speed.network_ns.get(prior or "", max(speed.network_ns.values(), default=0.0))
    plane = float(_TURN_ROWS * geometry.columns if method.prior_kind == _SINOGRAM else math.prod(own.shape[1:]))
    network = work.evaluations * known * own.shape[0] * plane
    parts = {
        "start": speed.start_s,
        "projector": 1e-9 * projector,
        "network": 1e-9 * network,
        "other": 1e-9 * _IO_NS * _voxels(grid),
    }
    seconds = sum(parts.values())
    doubt = 2.0 if speed.measured else 5.0
    memory, gpu = _memory(geometry, grid, speed, oversampling)
    if work.evaluations:
        held = speed.network_bytes * min(speed.batch, own.shape[0]) * plane
        memory, gpu = (memory, gpu + held) if speed.device == "cuda" else (memory + held, gpu)
    note = "" if speed.measured else "a guess: this computer has not been timed yet"
    if speed.measured and work.evaluations and prior and prior not in speed.network_ns:
        note, doubt = f"the prior {prior} has not been timed here", 5.0
    return Estimate(seconds, seconds / doubt, seconds * doubt, parts, memory, gpu, note)


def ray_samples(geometry: Geometry, grid: Grid) -> float:
    """Steps of all rays through the rows or columns of voxels."""
    slices, rows, columns = grid.shape
    # Rays at the edge of the detector cross less of the grid than those through its middle.
    return 0.8 * max(rows, columns) * math.prod(geometry.data_shape(slices))


def read_speed(device: str, path: Path | None = None) -> Speed:
    """The speed of this computer's device, as it was measured; a guess where it was not, or the file is damaged."""
    guess = CUDA if device == "cuda" else Speed()
    try:
        values = read_object(path or cache_folder() / FILE)[device]
        names = {item.name for item in fields(Speed)} - {"device", "measured"}
        known = {name: value for name, value in values.items() if name in names}
        networks = known.get("network_ns", {})
        numbers = [value for name, value in known.items() if name != "network_ns"]
        if all(_number(value) > 0.0 for value in [*numbers, *networks.values()]):
            return replace(guess, **known, measured=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return guess


def speed_values(speed: Speed) -> dict[str, Any]:
    """A speed as plain values, for the file."""
    return {name: value for name, value in asdict(speed).items() if name != "measured"}


def _memory(geometry: Geometry, grid: Grid, speed: Speed, oversampling: int | None) -> tuple[float, float]:
    """Bytes of the process and of the GPU, the network's excepted."""
    data = float(held_bytes(grid, geometry))
    per_slice = ray_samples(geometry, grid) / grid.shape[0]
    limit = _ENTRY_BYTES * _MOST_ENTRIES if speed.device == "cuda" else _MATRIX_LIMIT
    matrix = min(_ENTRIES * _ENTRY_BYTES * per_slice, limit) if geometry.is_stack else 0.0
    finer = 1 if oversampling is None else oversampling**2
    simulated = min(_ENTRIES * _ENTRY_BYTES * per_slice * finer, _MATRIX_LIMIT) if geometry.is_stack else 0.0
    if not geometry.is_stack and oversampling is not None:
        simulated = 4.0 * finer * _voxels(grid)
    if speed.device == "cuda":
        return speed.base_bytes + data / 2 + simulated, data + matrix
    return speed.base_bytes + data + max(matrix, simulated), 0.0


def _voxels(grid: Grid) -> float:
    return float(math.prod(grid.shape))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0
