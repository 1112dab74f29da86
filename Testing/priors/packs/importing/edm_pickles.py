"""Pickles in the layout of EDM's `network-snapshot-*.pkl`: objects that carry the source code of their classes.

Stand-ins of the modules that such a pickle names; its source code here creates a file when somebody runs it.
"""

from __future__ import annotations

import pickle
import sys
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class Persistent:
    """Pickled as EDM pickles an object: a call with its source code, class name and state."""

    def __init__(self, class_name: str, state: dict[str, Any], source: str) -> None:
        self.meta = {"type": "class", "version": 6, "module_src": source, "class_name": class_name, "state": state}

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (self.meta,)


def modules() -> dict[str, types.ModuleType]:
    """The modules that EDM's pickles name; their call runs the source code, as EDM's does."""
    persistence, util = types.ModuleType("torch_utils.persistence"), types.ModuleType("dnnlib.util")

    def _reconstruct_persistent_obj(meta: dict[str, Any]) -> object:
        exec(meta["module_src"], {})
        return meta

    class EasyDict(dict):  # type: ignore[type-arg]
        pass

    _reconstruct_persistent_obj.__module__, EasyDict.__module__ = persistence.__name__, util.__name__
    _reconstruct_persistent_obj.__qualname__, EasyDict.__qualname__ = "_reconstruct_persistent_obj", "EasyDict"
    persistence._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    util.EasyDict = EasyDict  # type: ignore[attr-defined]
    return {
        "torch_utils": types.ModuleType("torch_utils"),
        "torch_utils.persistence": persistence,
        "dnnlib": types.ModuleType("dnnlib"),
        "dnnlib.util": util,
    }


def _state(tensors: dict[str, Tensor], source: str, **attributes: Any) -> dict[str, Any]:
    """The `__dict__` of a module whose members are persistent objects again."""
    members: dict[str, dict[str, Tensor]] = {}
    own: dict[str, Tensor] = {}
    for name, value in tensors.items():
        first, _, rest = name.partition(".")
        if rest:
            members.setdefault(first, {})[rest] = value
        else:
            own[name] = value
    buffers = {name: value for name, value in own.items() if name in ("resample_filter", "freqs")}
    return {
        "training": False,
        "_parameters": OrderedDict(
            (n, nn.Parameter(v, requires_grad=False)) for n, v in own.items() if n not in buffers
        ),
        "_buffers": OrderedDict(buffers),
        "_non_persistent_buffers_set": set(),
        "_backward_hooks": OrderedDict(),
        "_modules": OrderedDict((n, _member(n, t, source)) for n, t in members.items()),
        "skip_scale": np.sqrt(0.5),
        "dtype": torch.float32,
        **attributes,
    }


def _member(name: str, tensors: dict[str, Tensor], source: str) -> Any:
    if name not in ("enc", "dec"):
        return Persistent("UNetBlock", _state(tensors, source), source)
    # The layers of the way down and up lie in one of PyTorch's own modules.
    holder = nn.ModuleDict()
    holder.__dict__.update(_state(tensors, source))
    return holder


def write(
    path: Path,
    tensors: dict[str, Tensor],
    canary: Path,
    precondition: str = "EDMPrecond",
    model: str = "SongUNet",
    extra: dict[str, Any] | None = None,
    **numbers: float,
) -> Path:
    """Write a snapshot of a network.

    Args:
        path: file.
        tensors: the network's, without the prefix `model.`.
        canary: a file that exists if anybody ran the source code in the pickle.
        precondition, model: names of the classes.
        extra: what the pickle holds besides.
        numbers: of the preconditioning.
    """
    source = f"import pathlib; pathlib.Path({str(canary)!r}).touch()"
    found = modules()
    before = {name: sys.modules.get(name) for name in found}
    sys.modules.update(found)
    try:
        easy = found["dnnlib.util"].EasyDict
        inner = Persistent(model, _state(tensors, source, _init_kwargs=easy(model_channels=8)), source)
        outer = _state({}, source, img_channels=1, use_fp16=False, sigma_min=0, sigma_max=float("inf"), **numbers)
        outer["_modules"] = OrderedDict(model=inner)
        loss = Persistent("EDMLoss", {"P_mean": -1.2, "P_std": 1.2}, source)
        values = {"ema": Persistent(precondition, outer, source), "loss_fn": loss, "augment_pipe": None}
        path.write_bytes(pickle.dumps({**values, "dataset_kwargs": easy(path="x"), **(extra or {})}))
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
    return path
