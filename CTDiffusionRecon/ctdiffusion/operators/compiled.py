"""Where numba comes in: an optional dependency, asked for here only."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

# Sums may be reordered and fused for vector units; NaN and infinity keep their meaning, so that a NaN in the data is
# still a NaN in the result.
FAST_MATH = {"reassoc", "contract", "arcp", "nsz"}


def has_numba() -> bool:
    """Whether numba can be imported."""
    return find_spec("numba") is not None


def pieces_of_work() -> int:
    """Into how many pieces to cut a parallel loop: a few per thread, to even out their cost."""
    import numba

    return 4 * int(numba.get_num_threads())


def compiled(parallel: bool = False, error_model: str = "python") -> Callable[[Function], Function]:
    """Compile a kernel with numba and keep the machine code between runs where a folder for it is writable.

    With `error_model` "numpy" a division by zero is infinite; the check for it would keep loops from being vectorised.
    """
    import numba

    def decorate(function: Function) -> Function:
        options: dict[str, Any] = {"parallel": parallel, "fastmath": FAST_MATH, "nogil": True}
        options["error_model"] = error_model
        try:
            kernel: Function = numba.njit(cache=True, **options)(function)
        except RuntimeError:  # no place to keep it: neither beside the source nor in the user's cache folder
            kernel = numba.njit(**options)(function)
        return kernel

    return decorate
