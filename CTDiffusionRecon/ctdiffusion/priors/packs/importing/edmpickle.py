"""The tensors in a pickle that EDM's training wrote (`network-snapshot-*.pkl`), with nothing of it executed.

Such a pickle carries the source code of its classes and a call that would run it. Here that call only keeps the state
which it was given; classes of PyTorch's layers become empty records; tensors are laid out anew from their bytes, which
PyTorch's weights-only loader reads. Any other name in the pickle refuses the file. Only the process that an import
throws away calls this.
"""

from __future__ import annotations

import io
import math
import pickle
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from ....core.regularfile import open_regular

# What a pickle of persistent classes names within its first bytes.
_MARK = b"torch_utils.persistence"
_HEAD = 1 << 20
# Modules within one another, at most.
_DEEPEST = 16
_MOST = 20_000
_LAYERS = "torch.nn.modules."


class Record:
    """An object of the pickle as what it holds: the name of its class, if known, and its state."""

    class_name: str = ""
    state: Mapping[str, Any] = MappingProxyType({})

    def __new__(cls, *arguments: object) -> Record:
        return super().__new__(cls)

    def __init__(self, *arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.state = state


class NumberType:
    """NumPy's description of a number, of which its code alone is kept."""

    def __init__(self, code: object, *arguments: object) -> None:
        self.code = str(code)[:10]

    def __setstate__(self, state: object) -> None:
        pass


class Values(dict):  # type: ignore[type-arg]
    """EDM's dictionary whose items are attributes, as a plain dictionary."""


@dataclass(frozen=True)
class Snapshot:
    """What is read of a pickle.

    Attributes:
        state: the averaged network's tensors by name.
        classes: names of the preconditioning's class and of the network's.
        numbers: the preconditioning's numbers, such as `sigma_data`.
    """

    state: dict[str, Tensor]
    classes: tuple[str, str]
    numbers: dict[str, float] = field(default_factory=dict)


def is_edm_pickle(path: Path) -> bool:
    """Whether a file begins like a pickle of persistent classes."""
    with open_regular(path) as file:
        head = file.read(_HEAD)
    return head[:1] == b"\x80" and _MARK in head


def load(path: Path) -> Snapshot:
    """The averaged network in a pickle.

    Raises:
        pickle.UnpicklingError: it names something else than tensors, plain values and persistent objects.
        ValueError: no such pickle, or one without a network.
    """
    try:
        with open_regular(path) as file:
            values = _Reader(file).load()
    except pickle.UnpicklingError as error:
        if str(error).startswith("GLOBAL"):
            raise
        raise ValueError(f"not a pickle that EDM's training writes: {error}") from None
    except MemoryError:
        raise
    except Exception as error:
        # Damaged bytes may raise anything, from the unpickler and from PyTorch.
        if "memory" in str(error).lower():
            raise
        raise ValueError(f"not a pickle that EDM's training writes: {error}") from None
    network = values
    if isinstance(values, dict):
        network = next((values[name] for name in ("ema", "net") if isinstance(values.get(name), Record)), None)
    if not isinstance(network, Record):
        raise ValueError("the pickle holds no network (`ema`)")
    inner = _members(network, "_modules").get("model")
    numbers = {
        str(name): float(value)
        for name, value in network.state.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
    }
    model = inner.class_name if isinstance(inner, Record) else ""
    tensors = dict(islice(_tensors(network, "", 0), _MOST + 1))
    if len(tensors) > _MOST:
        raise ValueError(f"the pickle's network holds more than {_MOST} tensors")
    return Snapshot(tensors, (network.class_name, model), numbers)


def _members(record: Record, name: str) -> Mapping[Any, Any]:
    found = record.state.get(name)
    return found if isinstance(found, dict) else {}


def _tensors(record: Record, prefix: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors as `state_dict` of the module would give them."""
    if depth > _DEEPEST:
        raise ValueError("the pickle's modules lie too deep within one another")
    for kind in ("_parameters", "_buffers"):
        for name, value in _members(record, kind).items():
            if isinstance(value, Tensor):
                yield f"{prefix}{name}", value
    for name, member in _members(record, "_modules").items():
        # A module that leads to no tensor would cost time and bring none.
        if isinstance(member, Record) and member.state:
            yield from _tensors(member, f"{prefix}{name}.", depth + 1)


class _Reader(pickle.Unpickler):
    """Gives every name in the pickle the meaning that is written here, or refuses it."""

    def find_class(self, module: str, name: str) -> Any:
        if found := _NAMES.get((module, name)):
            return found
        if module.startswith(_LAYERS) and "." not in name:
            return Record
        if module == "torch" and isinstance(dtype := getattr(torch, name, None), torch.dtype):
            return dtype
        raise pickle.UnpicklingError(f"GLOBAL {module}.{name} is neither a tensor nor a plain value")

    def persistent_load(self, key: object) -> Any:
        raise pickle.UnpicklingError("GLOBAL persistent id: not a pickle that EDM's training writes")


def _persistent(meta: object) -> Record:
    """In place of EDM's call that runs the source code in the pickle."""
    record = Record()
    if isinstance(meta, dict):
        record.class_name = str(meta.get("class_name", ""))[:100]
        state = meta.get("state")
        record.state = state if isinstance(state, dict) else {}
    return record


def _storage(content: object) -> Any:
    if not isinstance(content, bytes):
        raise TypeError("a tensor's bytes are none")
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: object) -> Tensor:
    if not isinstance(storage, torch.TypedStorage):
        raise TypeError("a tensor without a storage")
    count = storage._untyped_storage.nbytes() // storage.dtype.itemsize
    sizes, strides = tuple(map(int, size)), tuple(map(int, stride))
    if len(sizes) != len(strides) or min((int(offset), *sizes, *strides), default=0) < 0:
        raise ValueError("a tensor of no possible shape")
    last = int(offset) + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
    # PyTorch would enlarge the storage; and strides of 0 make much of little.
    if last >= count or math.prod(sizes) > count:
        raise ValueError("a tensor that is larger than its bytes")
    tensor = torch.empty((0,), dtype=storage.dtype)
    return tensor.set_(storage._untyped_storage, int(offset), sizes, strides)


def _parameter(tensor: Any, *_: object) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise TypeError("a parameter that is no tensor")
    return tensor


def _scalar(dtype: object, content: object = b"") -> float:
    """A number of NumPy."""
    import numpy as np

    if not isinstance(dtype, NumberType) or dtype.code not in ("f8", "f4", "i8", "i4", "b1"):
        raise TypeError("a NumPy value that is no number")
    if not isinstance(content, bytes):
        raise TypeError("a NumPy number without bytes")
    return float(np.frombuffer(content, dtype=f"<{dtype.code}")[0])


def _encode(text: object, encoding: object = "latin1") -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise TypeError("bytes that are no text")
    return text.encode("latin1")


_NAMES: dict[tuple[str, str], Callable[..., Any]] = {
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _persistent,
    ("dnnlib.util", "EasyDict"): Values,
    ("collections", "OrderedDict"): OrderedDict,
    ("builtins", "set"): set,
    ("torch.storage", "_load_from_bytes"): _storage,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "Size"): tuple,
    ("numpy", "dtype"): NumberType,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("_codecs", "encode"): _encode,
}
