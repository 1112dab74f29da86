"""An argument parser whose mistakes are one line with the remedy, and no usage text."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """As argparse's; a mistake is a `ValueError` of one line."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, **settings})
        # Options that are known to be of something else, and what to say of them.
        self.explained: dict[str, str] = {}

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments.

        Raises:
            ValueError: always; the text names the option.
        """
        text = message.removeprefix("argument ")
        text = re.sub(r"^the following arguments are required: (.*)$", r"\1: needed (see --help)", text)
        text = re.sub(r": expected (one|at least one|\d+) arguments?$", r": expected \1 value", text)
        raise ValueError(text)

    def parse_strictly(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse the arguments of this command, whole.

        Raises:
            ValueError: the text names what is not understood, and what may have been meant.
        """
        found, rest = self.parse_known_args(argv)
        if rest:
            wrong = next((word for word in rest if word.startswith("-")), rest[0])
            raise ValueError(self._unknown(wrong.partition("=")[0]))
        return found

    def _unknown(self, word: str) -> str:
        if not word.startswith("-"):
            return f"{word}: not understood here (see --help)"
        if word in self.explained:
            return f"{word}: {self.explained[word]}"
        known = [name for action in self._actions for name in action.option_strings if name.startswith("--")]
        hint = did_you_mean(word, known)
        return f"{word}: there is no such option{hint or ' (see --help)'}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?` for the nearest of the known words, or an empty text."""
    names = list(known)
    starting = [name for name in names if name.startswith(word)]
    near = get_close_matches(word, names, 1) or starting[:1]
    return f"; did you mean {near[0]}?" if near else ""
