"""Variations of a CT crop that another scanner would have made: kernel, calibration and dose."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

AIR = -1000.0


def varied(stack: Tensor, random: np.random.Generator) -> Tensor:
    """The stack `[3, row, column]` in HU as another scanner would have made it.

    One crop in seven gets a smoother or sharper kernel, one in four a calibration up to 3 % off, one in seven a lower
    dose: 4 to 25 HU of noise more, with the texture of CT. It is a part of the image then, as it is in a clinical one.
    """
    if random.random() < 0.15:
        stack = _kernel(stack, float(random.uniform(-0.5, 0.6)))
    if random.random() < 0.25:
        stack = AIR + (stack - AIR) * float(random.uniform(0.97, 1.03))
    if random.random() < 0.15:
        deviation = math.exp(random.uniform(math.log(4.0), math.log(25.0)))
        stack = stack + deviation * _quantum_noise(stack, random)
    return stack


def _kernel(stack: Tensor, amount: float) -> Tensor:
    """Blur by a Gaussian of `amount` pixels where positive; else take as much of a one-pixel blur's loss on top."""
    smooth = _blurred(stack, amount if amount > 0.0 else 1.0)
    return smooth if amount > 0.0 else stack - amount * (stack - smooth)


def _blurred(stack: Tensor, deviation: float) -> Tensor:
    radius = max(1, math.ceil(3.0 * deviation))
    steps = torch.arange(-radius, radius + 1, dtype=stack.dtype)
    weights = torch.exp(-0.5 * (steps / max(deviation, 1e-3)).square())
    weights = weights / weights.sum()
    padded = functional.pad(stack[:, None], (radius,) * 4, mode="replicate")
    rows = functional.conv2d(padded, weights.view(1, 1, -1, 1))
    return functional.conv2d(rows, weights.view(1, 1, 1, -1))[:, 0]


def _quantum_noise(stack: Tensor, random: np.random.Generator) -> Tensor:
    """Noise of deviation 1 with the spectrum that filtered backprojection gives white noise: a ramp, rolled off.

    Slices that are equal stay equal.
    """
    count, rows, columns = stack.shape
    same = bool(torch.equal(stack[0], stack[-1]))
    white = random.standard_normal((1 if same else count, rows, columns)).astype(np.float32)
    y, x = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None, :]
    frequency = np.hypot(y, x)
    cut = float(random.uniform(0.15, 0.5))
    # Projections are white; backprojection of ramp-filtered ones leaves a power that rises with the frequency.
    gain = np.sqrt(frequency) * np.exp(-0.5 * (frequency / cut) ** 2)
    noise = np.fft.irfft2(np.fft.rfft2(white) * gain, s=(rows, columns)).astype(np.float32)
    noise /= noise.std()
    return torch.from_numpy(noise).expand(count, -1, -1)
