"""An exact prior for closed-form checks: every pixel is an independent Gaussian."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from ctdiffusion.priors.prior import PriorInfo
from priors.small_pack import INFO
from torch import Tensor


class GaussianPrior:
    """Stands where a `Prior` does; D(x, sigma) is the posterior mean for x0 ~ N(mean, deviation^2)."""

    def __init__(self, mean: Tensor, deviation: float) -> None:
        self.mean = mean
        self.deviation = deviation
        self.info: PriorInfo = replace(INFO, sigma_range=(1e-6, 100.0))
        self.calls = 0

    def gate(self, row: float, column: float) -> list[str]:
        return []

    def expected_error(self, sigma: float) -> float:
        return sigma * self.deviation / math.hypot(sigma, self.deviation)

    def predict_x0(self, x: Tensor, sigma: float, spacing: float) -> Tensor:
        self.calls += 1
        share = self.deviation**2 / (self.deviation**2 + sigma**2)
        return self.mean + share * (x - self.mean)

    def pull_back(self, x: Tensor, g: Tensor, sigma: float, spacing: float) -> Tensor:
        return self.deviation**2 / (self.deviation**2 + sigma**2) * g


def posterior(matrix: Tensor, y: Tensor, variance: Tensor, mean: Tensor, deviation: float) -> tuple[Tensor, Tensor]:
    """Mean and covariance of x | y for y = matrix x + N(0, variance), x ~ N(mean, deviation^2)."""
    precision = matrix.T @ (matrix / variance[:, None]) + torch.eye(matrix.shape[1]) / deviation**2
    covariance = torch.linalg.inv(precision)
    return covariance @ (matrix.T @ (y / variance) + mean / deviation**2), covariance
