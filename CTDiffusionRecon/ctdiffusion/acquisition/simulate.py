"""Projections of a known volume, as a scanner with photon noise would have measured them.

The object that is projected is not the voxel grid that is reconstructed (no "inverse crime"; Kaipio & Somersalo 2007,
doi:10.1016/j.cam.2005.09.027): it is a continuous, piecewise bilinear one whose mean over every voxel is that voxel's
value, sampled `oversampling` times finer in the plane, and every detector element averages the intensity over as many
finer ones (so edges suffer the non-linear partial volume effect). See `refine` for why the means are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.units import AttenuationScale
from ..images.volume import Volume
from ..operators.compiled import has_numba
from ..operators.factory import make_operator
from ..scan.beams import ConeBeam, Geometry, Grid
from ..scan.projections import Projections
from .settings import SimulationSettings

# Bytes that the finer voxels or the finer projections of one step may take.
CHUNK_BYTES = 256_000_000
# Counts below one photon are electronic noise alone; this keeps the logarithm finite.
LOWEST_COUNT = 1.0
# Sets these random numbers apart from those of every sampler that uses the same seed.
_STREAM = 0x5343414E
SAME_GRID = "simulated on the reconstruction's own grid (inverse crime): the figures are too good"


def simulate(
    volume: Volume, geometry: Geometry, settings: SimulationSettings, seed: int, first_slice: int = 0
) -> Projections:
    """Line integrals of a volume with their noise.

    Counts are Poisson distributed about the mean transmitted intensity; Gaussian electronic noise is added. The
    variance of each line integral is estimated from its own noisy count N, as a scanner would:
    (N + electronic^2) / N^2. The noise depends on (seed, absolute slice) for parallel and fan beams and on (seed, view)
    for a cone beam, on nothing else.

    Args:
        volume: the object, HU; air (mu = 0) is the lowest value that is projected.
        geometry: the scan.
        settings: photon count, noise and sampling.
        seed: of the noise.
        first_slice: absolute index of the volume's first slice.

    Raises:
        ValueError: the source passes through the volume.
    """
    scale = AttenuationScale()
    factor = settings.finer
    mu = scale.to_mu(torch.from_numpy(volume.array)).clamp(min=0.0)
    line_integrals = _project(mu, volume.grid, geometry, factor)
    notes = (SAME_GRID,) if factor == 1 else ()
    clean = Projections(
        line_integrals, geometry, simulated=True, noise_free=True, scale=scale, first_slice=first_slice, notes=notes
    )
    return _with_noise(clean, settings, seed) if settings.noise else clean


def refine(mu: Tensor, factor: int) -> Tensor:
    """The continuous object behind voxels `[slice, row, column]`, sampled `factor` times finer in rows and columns.

    Bilinear interpolation alone would blur: the mean of the object over a voxel would no longer be the voxel's value,
    and the reference with which results are compared would not be what was scanned (39 dB from it for a clinical CT of
    1.6 mm). So the nodes are sharpened first by the exact inverse of "interpolate, then average over the voxel", which
    is diagonal in the cosine transform because the borders are mirrored. Negative overshoot is cut to air.
    """
    if factor == 1:
        return mu
    from scipy.fft import dctn, idctn

    offset = (np.arange(factor) + 0.5) / factor - 0.5
    side = float(np.maximum(-offset, 0.0).mean())
    row, column = (1.0 - 2.0 * side * (1.0 - np.cos(np.pi * np.arange(n) / n)) for n in mu.shape[1:])
    spectrum = dctn(mu.numpy(), axes=(1, 2)) / (row[:, None] * column)
    nodes = torch.from_numpy(idctn(spectrum, axes=(1, 2)).astype(np.float32))
    fine = torch.nn.functional.interpolate(nodes[:, None], scale_factor=factor, mode="bilinear", align_corners=False)
    return fine[:, 0].clamp(min=0.0)


def _project(mu: Tensor, grid: Grid, geometry: Geometry, factor: int) -> Tensor:
    finer = geometry.refined(factor)
    if not finer.is_stack:
        return _project_cone(mu, grid, finer, factor)
    # A stored matrix would be built and thrown away for one product; on its own grid it is the reconstruction's.
    backend = "matrixfree" if has_numba() and factor > 1 else "auto"
    operator = make_operator(finer, grid.refined(factor), backend=backend)
    voxels = mu[0].numel() * factor**2
    parts = [
        _binned(operator.forward(refine(mu[start:stop], factor)), (factor,))
        for start, stop in _chunks(mu.shape[0], 4 * (2 * voxels + finer.views * finer.columns))
    ]
    return torch.cat(parts)


def _project_cone(mu: Tensor, grid: Grid, finer: ConeBeam, factor: int) -> Tensor:
    fine = refine(mu, factor)
    parts = []
    for start, stop in _chunks(finer.views, 8 * finer.rows * finer.columns):
        operator = make_operator(finer.subset(range(start, stop)), grid.refined(factor))
        parts.append(_binned(operator.forward(fine), (factor, factor)))
    return torch.cat(parts)


def _chunks(count: int, bytes_each: int) -> Iterator[tuple[int, int]]:
    step = max(1, CHUNK_BYTES // bytes_each)
    for start in range(0, count, step):
        yield start, min(start + step, count)


def _binned(line_integrals: Tensor, factors: tuple[int, ...]) -> Tensor:
    """Line integrals of detector elements, from the mean transmitted intensity over the finer elements of each."""
    if max(factors) == 1:
        return line_integrals
    # Through logsumexp, because behind metal exp(-x) alone would underflow.
    for axis, factor in zip(range(-len(factors), 0), factors, strict=True):
        parts = line_integrals.unflatten(axis, (-1, factor))  # type: ignore[no-untyped-call]
        line_integrals = float(np.log(factor)) - torch.logsumexp(-parts, dim=axis)
    return line_integrals


def _with_noise(clean: Projections, settings: SimulationSettings, seed: int) -> Projections:
    """Each leading index (slice of a stack, view of a cone) draws from a generator of its own."""
    first = clean.first_slice if clean.geometry.is_stack else 0
    data, variance = torch.empty_like(clean.data), torch.empty_like(clean.data)
    starved = 0
    for index, line_integrals in enumerate(clean.data.numpy()):
        random = np.random.default_rng(np.random.SeedSequence([seed, first + index, _STREAM]))
        counts = _counts(line_integrals, settings, random)
        starved += int((counts <= LOWEST_COUNT).sum())
        data[index] = torch.from_numpy(-np.log(counts / settings.photons))
        variance[index] = torch.from_numpy((counts + settings.electronic**2) / counts**2)
    notes = clean.notes
    if starved:
        notes += (f"photon starvation: {100.0 * starved / data.numel():.2g} % of the rays counted at most one photon",)
    return replace(clean, data=data, variance=variance, noise_free=False, notes=notes)


def _counts(
    line_integrals: NDArray[np.float32], settings: SimulationSettings, random: np.random.Generator
) -> NDArray[np.float64]:
    mean = settings.photons * np.exp(-line_integrals.astype(np.float64))
    counts = random.poisson(mean) + settings.electronic * random.standard_normal(mean.shape)
    return np.maximum(counts, LOWEST_COUNT)
