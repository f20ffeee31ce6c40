"""What the annotations of a dataclass's fields say: limits, and their look on the command line.

`rate: Annotated[float, above(0), at_most(1)]` says what `rate` may be; so does a `Literal`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from bipedal.errors import UserError

MAX_SHOWN = 300
"""Characters of a text that `shorten` leaves."""


class Limit(NamedTuple):
    """A condition on a value."""

    words: str
    """What the value must be: "from 1 to 10"."""
    allows: Callable[[Any], bool]
    """Whether a value is; NaN never."""


class Section(NamedTuple):
    """Annotates the first field below a heading of the help."""

    heading: str


class Metavar(NamedTuple):
    """Annotates a field with the word that stands for its value in the help."""

    word: str


class Positional(NamedTuple):
    """Annotates a field that is given by its place, and the word that stands for it."""

    word: str


def between(low: float, high: float) -> Limit:
    """Allow numbers from `low` to `high`, both included."""
    return Limit(f"from {low:,} to {high:,}", lambda value: low <= value <= high)


def above(low: float) -> Limit:
    """Allow numbers greater than `low`."""
    return Limit(f"above {low:,}", lambda value: value > low)


def below(high: float) -> Limit:
    """Allow numbers less than `high`."""
    return Limit(f"below {high:,}", lambda value: value < high)


def at_most(high: float) -> Limit:
    """Allow numbers up to `high`, included."""
    return Limit(f"at most {high:,}", lambda value: value <= high)


def one_of(choices: Collection[str]) -> Limit:
    """Allow these words."""
    return Limit(f"one of {', '.join(choices)}", lambda value: value in choices)


def field_types(kind: type[Any]) -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """Type of each field of a dataclass, without `Annotated` and `None`, and its annotations."""
    return {name: _unwrap(hint) for name, hint in get_type_hints(kind, include_extras=True).items()}


def _unwrap(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    if get_origin(hint) is Annotated:
        inner, *notes = get_args(hint)
        plain, deeper = _unwrap(inner)
        return plain, (*deeper, *notes)
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (part for part in get_args(hint) if part is not NoneType)
        return _unwrap(hint)
    return hint, ()


def flag(field: str) -> str:
    """Name that a field has on the command line."""
    return "--" + field.replace("_", "-")


def check_limits(values: Any) -> None:
    """Raise `UserError` for the first field of a dataclass object that is beyond its limits."""
    for name, (plain, notes) in field_types(type(values)).items():
        limits = [note for note in notes if isinstance(note, Limit)]
        if get_origin(plain) is Literal:
            limits.append(one_of(get_args(plain)))
        value = getattr(values, name)
        if value is not None and not all(limit.allows(value) for limit in limits):
            words = " and ".join(limit.words for limit in limits)
            raise UserError(f"{flag(name)} must be {words}, not {shorten(repr(value))}")


def shorten(text: str) -> str:
    """A text with something out of a file or an argument, short enough for a sentence."""
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def suggest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the known one that is close to it, if any."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return "".join(f": perhaps you meant {meant}" for meant in close)
