"""What a prior says of itself: its name, what it was trained on, and on which terms it may be passed on."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..priors.prior import PriorInfo

NO_LICENCE = "not stated: ask whoever trained it before passing it on"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Biography:
    """The fields of `PriorInfo` that depend on whose images these were. A recipe knows none of them."""

    name: str
    training_data: tuple[str, ...]
    licence: str
    attribution: str
    body_parts: tuple[str, ...]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"name: letters, digits, '.', '_' and '-' (64 at most) are wanted, got {self.name!r}")


# Of a network that is only being tried.
UNNAMED = Biography("unnamed", (), NO_LICENCE, "", ())


@dataclass(frozen=True)
class Stated:
    """What whoever trains has said; empty where nothing."""

    name: str = ""
    training_data: tuple[str, ...] = ()
    licence: str = ""
    attribution: str = ""
    body_parts: tuple[str, ...] = ()


def asked(stated: Stated, name: str, ask: Callable[[str], str] = input) -> Stated:
    """Ask for what has not been said; an empty answer leaves it unsaid.

    Args:
        name: what the pack is called if nobody gives it a name.
        ask: shows a question and returns the answer.
    """

    def answer(value: str, question: str) -> str:
        if value:
            return value
        try:
            return ask(question).strip()
        except EOFError:
            # Whoever closes the input has nothing more to say.
            return ""

    def answers(values: tuple[str, ...], question: str, between: str) -> tuple[str, ...]:
        return values or tuple(part.strip() for part in answer("", question).split(between) if part.strip())

    return Stated(
        answer(stated.name, f"name of the prior [{name}]: "),
        answers(stated.training_data, "what it is trained on, with licence, separated by ';' [not stated]: ", ";"),
        answer(stated.licence, "licence of its weights [not stated]: "),
        answer(stated.attribution, "what is to be said when it is passed on [not stated]: "),
        answers(stated.body_parts, "body parts, separated by ',' [not stated]: ", ","),
    )


def biography(stated: Stated, name: str, volumes: int, patients: int) -> Biography:
    """What was said, and for the rest that it was not.

    Args:
        stated: what was said.
        name: the pack's name if none was said.
        volumes, patients: how many were trained on.

    Raises:
        ValueError: a name that no pack can have.
    """
    unnamed = f"{volumes} volumes of {patients} patients that whoever trained it did not name"
    return Biography(
        name=stated.name or name,
        training_data=stated.training_data or (unnamed,),
        licence=stated.licence or NO_LICENCE,
        attribution=stated.attribution or "Trained with CTDiffusionRecon; whose images it learnt from was not stated.",
        body_parts=stated.body_parts,
    )


def inheriting(info: PriorInfo, start: PriorInfo) -> PriorInfo:
    """The metadata of weights that began as another pack's, whose training data, licence and attribution come along.

    A pack that is trained on under its own name becomes its next version.
    """
    again = start.name == info.name
    version = str(int(start.version) + 1) if again and start.version.isdigit() else info.version
    licence, attribution = start.licence, info.attribution
    if start.licence != info.licence:
        licence = f"{info.licence} (own data) and {start.licence} (of {start.name}, from which it started)"
    if not (again and start.attribution == info.attribution):
        attribution = f"{info.attribution} Started from {start.name}: {start.attribution}"
    return replace(
        info,
        version=version,
        training_data=_once(info.training_data, start.training_data),
        licence=licence,
        attribution=attribution,
        body_parts=_once(start.body_parts, info.body_parts),
        scan={**start.scan, **info.scan} if again else info.scan,
    )


def _once(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))


def replaced_name(about: Biography, name: str) -> Biography:
    """The same under another name.

    Raises:
        ValueError: a name that no pack can have.
    """
    return replace(about, name=name)
