"""Gradients through an operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .base import LinearOperator

Map = Callable[[Tensor], Tensor]


class _Linear(torch.autograd.Function):
    """y = A x with the gradient A' g; twice differentiable, for A' is linear, too."""

    @staticmethod
    def forward(context: Any, x: Tensor, apply: Map, transpose: Map) -> Tensor:
        context.apply_, context.transpose_ = apply, transpose
        return apply(x)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient: Tensor = _Linear.apply(gradients[0], context.transpose_, context.apply_)  # type: ignore[no-untyped-call]
        return gradient, None, None


def differentiable(operator: LinearOperator) -> Map:
    """`operator.forward` as a function that autograd can go through; its backward is `operator.adjoint`.

    Where the operator is not matched, gradients are those of its adjoint, hence approximate.
    """

    def forward(x: Tensor) -> Tensor:
        y: Tensor = _Linear.apply(x, operator.forward, operator.adjoint)  # type: ignore[no-untyped-call]
        return y

    return forward
