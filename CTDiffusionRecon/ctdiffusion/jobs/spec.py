"""What the specifications of all tasks share (`spec.json`, contract C1): strict, immutable values. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from ..core.schema import REQUIRED, describe, from_mapping, parameter, plain, validate
from ..core.strictjson import MAX_INTEGER, parse_object, shorten
from ..methods.registry import RECONSTRUCTION, Method, method_named

S = TypeVar("S", bound="Specification")

SCHEMA = 1
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, kw_only=True)
class Specification:
    """One job, of whatever task. A field is declared here or in a task's own specification, once for all front ends.

    Raises:
        ValueError: any value that is not allowed; the text begins with `spec.` and the field.
    """

    # Name of the task in the file; a specification that names none is a reconstruction.
    TASK: ClassVar[str]

    input: str = parameter(REQUIRED, "What to work on; a relative path starts at the job folder.")
    method: str = parameter(REQUIRED, "Name of a method.")
    parameters: dict[str, Any] = parameter(dict, "Parameters of the method; those left out keep their defaults.")
    prior: str | None = parameter(
        None, "Name or folder of a prior pack; automatic: the default one of the method.", group="running"
    )
    device: str = parameter("auto", "Where to compute.", choices=DEVICES, group="running")
    seed: int = parameter(0, "Seed of every random number.", low=0, high=MAX_INTEGER, group="running")
    assume_hu: bool = parameter(False, "Take the volume's values as HU even where they do not look like it.")

    def __post_init__(self) -> None:
        validate(self, "spec")
        require(self.input.strip() != "", "input", "a path is needed", self.input)
        require("://" not in self.input, "input", "expected a path, not an address", self.input)
        if self.prior is not None:
            require(self.prior.strip() != "", "prior", "expected the name or folder of a prior pack", self.prior)
        self.method_parameters()
        self.check()

    def check(self) -> None:
        """What its fields must be to one another; tasks add their own rules."""

    @classmethod
    def from_dict(cls: type[S], values: Mapping[str, Any]) -> S:
        """Read plain JSON values, strictly: every field known, of its type, finite; `schema` must be this one's.

        Raises:
            ValueError: the text begins with `spec.` and the field.
        """
        rest = dict(values)
        schema = rest.pop("schema", None)
        whole = isinstance(schema, int) and not isinstance(schema, bool)
        if not whole or schema != SCHEMA:
            age = "newer" if whole and schema > SCHEMA else "not readable"
            raise ValueError(f"spec.schema: this version reads schema {SCHEMA}, got {shorten(schema)} ({age})")
        task = rest.pop("task", RECONSTRUCTION)
        if task != cls.TASK:
            raise ValueError(f"spec.task: expected {cls.TASK}, got {shorten(task)}")
        known = [info.name for info in describe(cls)]
        for name in rest:
            if name not in known:
                raise ValueError(f"spec.{shorten(name)}: unknown field (known: {', '.join(sorted(known))})")
        return from_mapping(cls, rest, "spec")

    @classmethod
    def from_json(cls: type[S], text: str) -> S:
        """Read a JSON text; see `from_dict`."""
        return cls.from_dict(parse_object(text, "spec"))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` reads them back to an equal specification."""
        # Jobs of before there were tasks say none, and their saved states are known by the digest of that.
        task = {} if self.TASK == RECONSTRUCTION else {"task": self.TASK}
        return {"schema": SCHEMA, **task, **plain(self)}

    @property
    def digest(self) -> str:
        """SHA-256 of the specification, by which a saved state is known to belong to it."""
        return sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def chosen_method(self) -> Method:
        """The method.

        Raises:
            ValueError: there is none of that name.
        """
        try:
            return method_named(self.method, self.TASK)
        except ValueError as error:
            raise ValueError(f"spec.{error}") from None

    def method_parameters(self) -> Any:
        """The method's parameter dataclass, checked.

        Raises:
            ValueError: unknown method or a parameter it refuses.
        """
        return from_mapping(self.chosen_method().parameters, self.parameters, "spec.parameters")

    def input_path(self, folder: Path) -> Path:
        """Where the input lies, for a job in `folder`.

        Raises:
            ValueError: a relative path that leaves the job folder.
        """
        path = Path(self.input)
        if path.is_absolute():
            return path
        inside = (folder / path).resolve()
        if not inside.is_relative_to(folder.resolve()):
            raise ValueError(f"spec.input: a relative path must stay in the job folder, got {shorten(self.input)}")
        return inside

    @property
    def label(self) -> str:
        """What a result is called after its input, such as `DDS 30 views`."""
        return self.method.upper()


def require(good: bool, name: str, text: str, value: object) -> None:
    """Refuse a field.

    Raises:
        ValueError: it is not `good`; the text begins with `spec.` and the field.
    """
    if not good:
        raise ValueError(f"spec.{name}: {text}" + ("" if value is None else f", got {shorten(value)}"))
