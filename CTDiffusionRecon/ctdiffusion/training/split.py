"""Who is trained on and who is kept for the report card: whole patients, never both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .cache import held_out_patients
from .task import Volumes


@dataclass(frozen=True)
class Split:
    """Volumes to train on and to judge by.

    Attributes:
        training: what is trained on.
        validation: what the report card is taken on.
        held_out: the patients of the data that are not trained on.
        own_judges: the volumes of those among them who do not stand in a validation set of its own.
    """

    training: Volumes
    validation: Volumes
    held_out: tuple[str, ...]
    own_judges: Volumes

    @property
    def patients(self) -> int:
        """How many patients are trained on."""
        return len({entry.patient for entry, _ in self.training})


def split(volumes: Volumes, validation: Volumes, hold_out: Sequence[str], share: float, recipe: str) -> Split:
    """Hold patients out of `volumes`: those named and those of `validation`; or, if neither is given, a share.

    Args:
        volumes: all that was given as data.
        validation: what was given to judge by, or nothing: then those held out judge.
        hold_out: patients by name.
        share: of all slices, in whole patients chosen by the hash of their names.
        recipe: for the message.

    Raises:
        ValueError: a patient that is not there, nobody left to train on, or nobody to judge by.
    """
    entries = [entry for entry, _ in volumes]
    known = {entry.patient for entry in entries}
    if absent := sorted(set(hold_out) - known):
        raise ValueError(f"hold-out: no patient {absent[0]} in the data (there are: {', '.join(sorted(known))})")
    judges = {entry.patient for entry, _ in validation}
    held = set(hold_out) or held_out_patients(entries, share)
    held |= known & judges
    training = [item for item in volumes if item[0].patient not in held]
    if not training:
        raise ValueError("data: every patient is held out; more than one is needed")
    chosen = validation or [item for item in volumes if item[0].patient in held]
    if not chosen:
        raise ValueError(f"val: recipe {recipe} holds nobody out, so it needs volumes for the report card")
    own = [item for item in volumes if item[0].patient in held - judges]
    return Split(training, chosen, tuple(sorted(held)), own)
