"""Prior packs: a folder with `prior.json` and `weights.safetensors`, checked by SHA-256 (contract C7).

Nothing is ever unpickled, unpacked or fetched here: a pack is a folder on disk, and anything else is refused.
"""

from __future__ import annotations

import hashlib
import json
import typing
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...core.plugins import NETWORKS as PLUGINS
from ...core.plugins import plugin
from ...core.regularfile import open_regular, sha256_file
from ...core.safetensorsbytes import read_parts, tensors_in
from ...core.strictjson import read_object, shorten
from ..networks.adm_unet import ADMUNet
from ..networks.by_label import ByLabel
from ..networks.cold_unet import ColdUNet
from ..networks.ddpm_unet import DDPMUNet
from ..networks.diffusers_unet import DiffusersUNet
from ..networks.ncsnpp import NCSNpp
from ..networks.song_unet import SongUNet
from ..networks.unet import TripletUNet
from ..parametrisation import build_denoiser
from ..prior import Prior, PriorInfo
from .bounds import LARGEST_MEMBERS, check_description
from .bounds import LARGEST_WEIGHTS as LARGEST_WEIGHTS
from .folders import pack_folders
from .infocheck import wrong_field

METADATA_FILE = "prior.json"
WEIGHTS_FILE = "weights.safetensors"
# Fields that packs written before them lack.
OPTIONAL = {"scan"}
LARGEST_METADATA = 1_000_000
# What constructors raise for arguments of the wrong type or size.
_OF_ARGUMENTS = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)

# Networks a pack may name.
NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "TripletUNet": TripletUNet,
    "NCSNpp": NCSNpp,
    "DDPMUNet": DDPMUNet,
    "ADMUNet": ADMUNet,
    "DiffusersUNet": DiffusersUNet,
    "SongUNet": SongUNet,
    "ColdUNet": ColdUNet,
}
# The class whose arguments are descriptions of networks: `{"class": "ByLabel", "members": [...]}`.
BY_LABEL = "ByLabel"


def find_packs() -> dict[str, Path]:
    """Packs by folder name; an earlier folder of `pack_folders` wins."""
    found: dict[str, Path] = {}
    for folder in pack_folders():
        for metadata in sorted(folder.glob(f"*/{METADATA_FILE}")):
            found.setdefault(metadata.parent.name, metadata.parent)
    return dict(sorted(found.items()))


def locate_pack(name: str) -> Path:
    """The folder of a pack, from its name or its path.

    Raises:
        ValueError: there is no such pack; the text lists those that exist.
    """
    packs = find_packs()
    if name in packs:
        return packs[name]
    if Path(name).is_dir():
        return Path(name)
    if Path(name).is_file():
        raise ValueError(f"prior: {name} is a file; a prior pack is a folder with {METADATA_FILE} and {WEIGHTS_FILE}")
    raise ValueError(f"prior: no pack named {name!r} (found: {', '.join(packs) or 'none'})")


def read_info(folder: Path) -> PriorInfo:
    """Read and check `prior.json`.

    Raises:
        ValueError: not a pack, or a field that is unknown, missing or of the wrong type.
    """
    path = folder / METADATA_FILE
    try:
        values = read_object(path, LARGEST_METADATA)
    except FileNotFoundError:
        raise ValueError(f"prior: {folder} holds no {METADATA_FILE}") from None
    except OSError as error:
        raise ValueError(f"prior: {path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        where = "" if str(error).startswith(str(path)) else f"{path}: "
        raise ValueError(f"prior: {where}{error}") from None
    hints = typing.get_type_hints(PriorInfo)
    known = {item.name for item in fields(PriorInfo)}
    if unknown := sorted(set(values) - known):
        raise ValueError(f"prior: {path}: unknown field {unknown[0]!r}")
    if missing := sorted(known - set(values) - OPTIONAL):
        raise ValueError(f"prior: {path}: missing field {missing[0]!r}")
    info = PriorInfo(**{name: _field(path, name, hints[name], value) for name, value in values.items()})
    if wrong := wrong_field(info):
        raise ValueError(f"prior: {path}: {wrong} has the wrong type or value")
    _check_bounds(info.network, str(path))
    return info


def load_pack(folder: Path, device: torch.device | str = "cpu", info: PriorInfo | None = None) -> Prior:
    """Load a pack, or refuse it; `info` is its metadata where they have been read before.

    Raises:
        ValueError: metadata or weights that are damaged, do not match their SHA-256 or do not fit the network.
    """
    info = info or read_info(folder)
    denoiser = build_denoiser(load_network(folder, info), info.parametrisation, str(folder / METADATA_FILE))
    if denoiser.channels != info.channels:
        where = folder / METADATA_FILE
        raise ValueError(f"prior: {where}: channels is {info.channels}, the network has {denoiser.channels}")
    return Prior(info, denoiser, device)


def load_network(folder: Path, info: PriorInfo) -> nn.Module:
    """The raw network of a pack with its weights.

    Raises:
        ValueError: weights that are damaged, do not match their SHA-256 or do not fit the network.
    """
    where = str(folder / METADATA_FILE)
    # Without memory first: the largest published networks take longer to initialise than to load.
    with torch.device("meta"):
        network = build_network(info.network, where)
    state = load_state(folder, info)
    check_state(state, network.state_dict(), str(folder / WEIGHTS_FILE))
    if any(buffer.is_meta for name, buffer in network.named_buffers() if name not in state):
        # Buffers that no file holds are computed when the network is built.
        network = build_network(info.network, where)
    network.load_state_dict(state, assign=True)
    return network


def load_state(folder: Path, info: PriorInfo) -> dict[str, Tensor]:
    """The weights of a pack, held against the SHA-256 in its metadata; half precision comes back as single.

    Raises:
        ValueError: damaged or replaced weights.
    """
    path = folder / WEIGHTS_FILE
    digest = hashlib.sha256()
    try:
        with open_regular(path, LARGEST_WEIGHTS) as file:
            header, data = read_parts(file, LARGEST_WEIGHTS, digest)
        if digest.hexdigest() != info.weights_sha256:
            raise ValueError(f"it does not match the SHA-256 in {METADATA_FILE}: damaged or replaced")
        _, state = tensors_in(header, data)
    except FileNotFoundError:
        raise ValueError(f"prior: {folder} holds no {WEIGHTS_FILE}") from None
    except OSError as error:
        raise ValueError(f"prior: {path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise ValueError(f"prior: {path} holds no valid weights (safetensors): {reason}") from None
    return {name: value.float() if value.dtype == torch.float16 else value for name, value in state.items()}


def in_half_precision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights in half precision, which is what a pack of our own holds; those that do not fit stay as they are."""
    halves = {name: value.half() for name, value in state.items()}
    return {name: half if bool(torch.isfinite(half).all()) else state[name] for name, half in halves.items()}


def write_pack(folder: Path, info: PriorInfo, state: Mapping[str, Tensor]) -> PriorInfo:
    """Write a pack, weights in single or half precision; returns the metadata with the SHA-256 filled in."""
    from dataclasses import replace

    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / WEIGHTS_FILE
    stored = {name: value.detach() for name, value in state.items()}
    stored = {name: (v if v.dtype == torch.float16 else v.float()).contiguous() for name, v in stored.items()}
    save_file(stored, str(path))
    path.chmod(0o644)  # safetensors writes files that only their owner can read
    info = replace(info, weights_sha256=sha256_file(path))
    write_info(folder, info)
    return info


def write_info(folder: Path, info: PriorInfo) -> None:
    """Write the metadata of a pack."""
    text = json.dumps(asdict(info), indent=1, ensure_ascii=False)
    (folder / METADATA_FILE).write_text(text + "\n", encoding="utf-8")


def build_network(description: Mapping[str, Any], where: str) -> nn.Module:
    """The raw network that a description `{"class": ..., **arguments}` names.

    Raises:
        ValueError: an unknown class, or arguments it does not take.
    """
    arguments = {k: tuple(v) if isinstance(v, list) else v for k, v in description.items() if k != "class"}
    name = description.get("class")
    _check_bounds(description, where)
    if name == BY_LABEL:
        return _by_label(arguments.get("members"), where)
    made = NETWORKS.get(name) or plugin(PLUGINS, name) if isinstance(name, str) else None
    if made is None:
        raise ValueError(f"prior: {where}: network.class must be one of {', '.join(NETWORKS)}, got {shorten(name)}")
    try:
        network: nn.Module = made(**arguments)
        return network
    except _OF_ARGUMENTS as error:
        raise ValueError(f"prior: {where}: network: {error}") from None


def _check_bounds(description: Mapping[str, Any], where: str) -> None:
    try:
        check_description(description)
    except ValueError as error:
        raise ValueError(f"prior: {where}: network.{error}") from None


def _by_label(members: object, where: str) -> nn.Module:
    # Members that are joined themselves are not taken: no metadata can nest without end.
    descriptions = [m for m in members if isinstance(m, Mapping)] if isinstance(members, tuple) else []
    plain = all(description.get("class") in list(NETWORKS) for description in descriptions)
    if not (plain and isinstance(members, tuple) and 1 < len(descriptions) == len(members) <= LARGEST_MEMBERS):
        raise ValueError(f"prior: {where}: network.members: two to {LARGEST_MEMBERS} networks are wanted")
    networks = [build_network(description, where) for description in descriptions]
    try:
        return ByLabel(networks)
    except ValueError as error:
        raise ValueError(f"prior: {where}: network: {error}") from None


def check_state(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], where: str) -> None:
    """Refuse weights unless every tensor is there, of the right shape and type, finite, and none is left over.

    Raises:
        ValueError: names the first differences.
    """
    problems = [f"missing {name}" for name in wanted if name not in state]
    problems += [f"unexpected {name}" for name in state if name not in wanted]
    for name in wanted.keys() & state.keys():
        if state[name].shape != wanted[name].shape:
            problems.append(f"{name} has shape {tuple(state[name].shape)}, not {tuple(wanted[name].shape)}")
        elif state[name].dtype != wanted[name].dtype:
            problems.append(f"{name} has type {state[name].dtype}, not {wanted[name].dtype}")
        elif not bool(torch.isfinite(state[name]).all()):
            problems.append(f"{name} holds values that are not finite")
    if problems:
        shown = "; ".join(sorted(problems)[:5])
        raise ValueError(f"prior: {where} does not fit its network ({len(problems)} differences): {shown}")


def _field(path: Path, name: str, hint: Any, value: Any) -> Any:
    origin = typing.get_origin(hint) or hint
    arguments = typing.get_args(hint)
    if origin is tuple:
        item = arguments[0]
        fixed = arguments[-1] is not Ellipsis
        good = isinstance(value, list) and (not fixed or len(value) == len(arguments))
        if good:
            return tuple(_field(path, f"{name}[{i}]", item, v) for i, v in enumerate(value))
    elif origin is float:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9:
            return float(value)
    elif isinstance(value, origin) and not (origin is int and isinstance(value, bool)):
        return value
    raise ValueError(f"prior: {path}: {name} has the wrong type or value: {shorten(value)}")
