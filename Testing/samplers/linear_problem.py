"""A small linear problem with a Gaussian prior, whose posterior and probability flow are known in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from ctdiffusion.core.monitor import Monitor
from ctdiffusion.core.noise import NoiseSource
from ctdiffusion.samplers.context import Context, DataTerm, Step
from ctdiffusion.samplers.loop import sample
from ctdiffusion.samplers.noise_policy import NoisePolicy
from ctdiffusion.samplers.schedule import geometric
from torch import Tensor

SIZE, MEASURED = 6, 4
MEAN, DEVIATION, NOISE = 0.3, 0.1, 0.05


@dataclass(frozen=True)
class LinearProblem:
    """y = A x + noise for images of one row, in float64; every slice is a sample of its own.

    Attributes:
        matrix, y: A `[datum, column]` and y.
        variance: of the noise; 0 for exact data.
    """

    matrix: Tensor
    y: Tensor
    variance: float

    @staticmethod
    def of(variance: float = NOISE**2) -> LinearProblem:
        """Random, the same every time."""
        generator = torch.Generator().manual_seed(0)
        matrix = torch.randn((MEASURED, SIZE), generator=generator, dtype=torch.float64)
        truth = MEAN + DEVIATION * torch.randn(SIZE, generator=generator, dtype=torch.float64)
        noise = torch.randn(MEASURED, generator=generator, dtype=torch.float64)
        return LinearProblem(matrix, matrix @ truth + variance**0.5 * noise, variance)

    def posterior(self) -> tuple[Tensor, Tensor]:
        """Mean and covariance of x given y."""
        prior = DEVIATION**2 * self.matrix
        data = prior @ self.matrix.T + self.variance * torch.eye(MEASURED, dtype=torch.float64)
        gain = prior.T @ torch.linalg.inv(data)
        mean = MEAN + gain @ (self.y - self.matrix.sum(1) * MEAN)
        return mean, DEVIATION**2 * (torch.eye(SIZE, dtype=torch.float64) - gain @ self.matrix)

    def denoise(self, x: Tensor, sigma: float, index: int) -> Tensor:
        """E[x0 | x] of the prior."""
        return MEAN + DEVIATION**2 / (DEVIATION**2 + sigma**2) * (x - MEAN)

    def agree(self, x0: Tensor, sigma: float) -> Tensor:
        """E[x0 | x, y] from E[x0 | x]: the exact data consistency."""
        r2 = (sigma * DEVIATION) ** 2 / (sigma**2 + DEVIATION**2)
        inner = r2 * self.matrix @ self.matrix.T + self.variance * torch.eye(MEASURED, dtype=torch.float64)
        residual = self.y - x0 @ self.matrix.T
        return x0 + r2 * torch.linalg.solve(inner, residual.transpose(1, 2)).transpose(1, 2) @ self.matrix

    def gradient(self, x0: Tensor) -> Tensor:
        """Of the misfit, in units of its largest curvature."""
        return (x0 @ self.matrix.T - self.y) @ self.matrix / self.curvature()

    def curvature(self) -> float:
        """Largest eigenvalue of A' A."""
        return float(torch.linalg.matrix_norm(self.matrix, 2)) ** 2

    def pull_back(self, x: Tensor, g: Tensor, sigma: float) -> Tensor:
        """The prior's derivative is a number."""
        return DEVIATION**2 / (DEVIATION**2 + sigma**2) * g

    def context(self, noise: NoisePolicy, monitor: Monitor | None = None) -> Context:
        """The parts of the exact sampler."""
        return Context(self.denoise, DataTerm(self.agree, self.gradient), noise, monitor or Monitor(), self.pull_back)

    def sampled(self, step: Step, steps: int, samples: int = 4000, start: float = 20.0, end: float = 1e-4) -> Tensor:
        """The last estimates `[sample, column]`, from a start that knows nothing."""
        empty = torch.full((samples, 1, SIZE), MEAN, dtype=torch.float64)
        return sample(empty, geometric(start, end, steps), step, self.context(White()), lambda x: x)[:, 0]

    def flow(self, x: Tensor, start: float, end: float) -> Tensor:
        """Where the probability flow of p(x0 | y) takes states `[sample, column]` from one noise level to another."""
        mean, covariance = self.posterior()
        values, directions = torch.linalg.eigh(covariance)
        values = values.clamp(min=0.0)
        return mean + (x - mean) @ directions * ((values + end**2) / (values + start**2)).sqrt() @ directions.T


class White:
    """Noise of many slices at once, in float64."""

    def normal(self, step: int, shape: tuple[int, int, int], device: torch.device | str = "cpu") -> Tensor:
        """See `NoisePolicy.normal`."""
        return torch.randn(shape, generator=torch.Generator().manual_seed(step), dtype=torch.float64)


@dataclass(frozen=True)
class BySlice:
    """Noise by absolute slice, in float64."""

    source: NoiseSource

    def normal(self, step: int, shape: tuple[int, int, int], device: torch.device | str = "cpu") -> Tensor:
        """See `NoisePolicy.normal`."""
        return self.source.normal(step, shape, device).double()
