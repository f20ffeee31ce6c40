"""The options of a command, made from dataclasses.

Each field is an option. Its annotation says what it may be, the first sentence of its docstring is
its line of help. A field with a `Section` begins a new heading of the help.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import itertools
import re
import shutil
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn, get_args, get_origin

from bipedal.errors import UserError
from bipedal.fields import Metavar, Positional, Section, field_types, flag, suggest

HELP_COLUMN = 34
"""Where the explanations begin in a command's help."""
MAX_HELP_WIDTH = 110


class Option(NamedTuple):
    """A field as the command line sees it."""

    name: str
    base: Any
    """Type of one value: bool, int, float, str, Path or a Literal."""
    repeated: bool
    """Whether it takes one or more values."""
    metavar: str
    positional: bool
    heading: str | None
    required: bool

    def __str__(self) -> str:
        """How it is written: `--seed N`."""
        if self.positional:
            word = self.metavar + " ..." * self.repeated
            return word if self.required else f"[{word}]"
        value = "" if self.base is bool else f" {self.metavar}" + " ..." * self.repeated
        return flag(self.name) + value


def parse(
    command: str,
    kinds: Sequence[type[Any]],
    arguments: Sequence[str],
    defaults: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> dict[str, Any]:
    """Read the options that were given, by the fields' names; others are left out.

    `kinds` are the dataclasses whose fields are options. `--help` prints the help, on standard
    output, and raises `SystemExit(0)`; `defaults` makes the values in it from the options given so
    far. Raises `UserError` for arguments that cannot be read.
    """
    options = [option for kind in kinds for option in _options(kind)]
    parser = _Parser(prog=f"bipedal {command}", add_help=False, allow_abbrev=False)
    parser.add_argument("-h", "--help", action=_HelpAction, nargs=0, default=argparse.SUPPRESS)
    for option in options:
        _add(parser, option)
    try:
        given, unknown = parser.parse_known_args(_respelled(arguments))
    except _HelpAsked as asked:
        print(_help(parser.prog, kinds, options, defaults(asked.given)))
        raise SystemExit(0) from None
    if unknown:
        parser.error(_unknown(unknown, options))
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in vars(given).items()
        if value not in (None, [])
    }


class _HelpAsked(Exception):  # noqa: N818
    """Help was asked for, after these options."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__()
        self.given = given


class _HelpAction(argparse.Action):
    def __call__(self, _: object, namespace: argparse.Namespace, *__: object) -> NoReturn:
        raise _HelpAsked(vars(namespace))


class _Parser(argparse.ArgumentParser):
    """A parser that raises `UserError` instead of printing and leaving."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see {self.prog} --help)")


# Fields as options --------------------------------------------------------------------------------


def _options(kind: type[Any]) -> Iterator[Option]:
    types = field_types(kind)
    for field in dataclasses.fields(kind):
        hint, notes = types[field.name]
        repeated = get_origin(hint) is tuple
        base = get_args(hint)[0] if repeated else hint
        yield Option(
            name=field.name,
            base=base,
            repeated=repeated,
            metavar=next(
                (note.word for note in notes if isinstance(note, Metavar | Positional)),
                _metavar(base),
            ),
            positional=any(isinstance(note, Positional) for note in notes),
            heading=next((note.heading for note in notes if isinstance(note, Section)), None),
            required=field.default is dataclasses.MISSING,
        )


def _metavar(base: Any) -> str:
    if get_origin(base) is Literal:
        return "|".join(get_args(base))
    return {int: "N", float: "X", str: "NAME", Path: "PATH"}.get(base, "")


# Reading ------------------------------------------------------------------------------------------


def _add(parser: argparse.ArgumentParser, option: Option) -> None:
    """Tell a parser of an option; nothing is stored where it is not given."""
    absent = argparse.SUPPRESS
    if option.base is bool:
        for name, value in ((option.name, True), (f"no_{option.name}", False)):
            parser.add_argument(
                flag(name), dest=option.name, action="store_const", const=value, default=absent
            )
        return
    settings: dict[str, Any] = {
        "dest": option.name,
        "type": _READERS.get(option.base, str),
        "nargs": _count(option),
        "metavar": option.metavar,
        "default": absent,
    }
    if option.positional:
        if not option.required:
            settings["default"] = None  # argparse would store the word SUPPRESS
        parser.add_argument(**settings)
    else:
        parser.add_argument(flag(option.name), required=option.required, **settings)


def _count(option: Option) -> str | None:
    """How many values an option takes, in argparse's way."""
    may_be_absent = option.positional and not option.required
    if option.repeated:
        return "*" if may_be_absent else "+"
    return "?" if may_be_absent else None


def _read_int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def _read_float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _read_path(text: str) -> Path:
    if not text:  # Path("") is the current directory
        raise argparse.ArgumentTypeError("the name is empty")
    return Path(text)


_READERS: Mapping[Any, Callable[[str], Any]] = {
    int: _read_int,
    float: _read_float,
    Path: _read_path,
}


def _respelled(arguments: Sequence[str]) -> list[str]:
    """Write arguments as argparse reads them.

    Options may be written with underscores. A negative number is tied to the option before it:
    argparse takes some, such as -1e9, for an option of their own.
    """
    spelled: list[str] = []
    for place, argument in enumerate(arguments):
        if argument == "--":
            return [*spelled, *arguments[place:]]
        if argument.startswith("--"):
            name, equals, value = argument.partition("=")
            spelled.append(name.replace("_", "-") + equals + value)
        elif _is_negative(argument) and spelled and re.fullmatch(r"--[^=]+", spelled[-1]):
            spelled[-1] += f"={argument}"
        else:
            spelled.append(argument)
    return spelled


def _is_negative(argument: str) -> bool:
    try:
        float(argument)
    except ValueError:
        return False
    return argument.startswith("-")


def _unknown(arguments: Sequence[str], options: Sequence[Option]) -> str:
    """Say which argument is unknown, and which option was perhaps meant."""
    dashed = [argument.split("=")[0] for argument in arguments if argument.startswith("-")]
    if not dashed:
        return f"unknown argument {arguments[0]!r}"
    known = ["--help", *(flag(option.name) for option in options if not option.positional)]
    known += [flag(f"no_{option.name}") for option in options if option.base is bool]
    return f"unknown option {dashed[0]}{suggest(dashed[0], known)}"


# Help ---------------------------------------------------------------------------------------------


def _help(
    prog: str,
    kinds: Sequence[type[Any]],
    options: Sequence[Option],
    defaults: Mapping[str, Any],
) -> str:
    """Usage, what the command does, and its options below their headings, [defaults] last."""
    width = max(60, min(MAX_HELP_WIDTH, shutil.get_terminal_size().columns))
    needed = [str(option) for option in options if option.required or option.positional]
    summary = textwrap.wrap(inspect.cleandoc(kinds[0].__doc__ or ""), width)
    lines = [" ".join(["usage:", prog, *needed, "[OPTIONS]"]), "", *summary]
    texts = {name: text for kind in kinds for name, text in explanations(kind).items()}
    for option in options:
        heading = option.heading or ("Options" if option is options[0] else None)
        if heading is not None:
            lines += ["", f"{heading}:"]
        text = texts.get(option.name, "")
        default = None if option.required else defaults.get(option.name)
        lines += _help_lines(option, text, default, width)
    return "\n".join(lines)


def _help_lines(option: Option, text: str, default: Any, width: int) -> list[str]:
    name = f"  {option}"
    if default is True:
        name = name.replace("--", "--[no-]")
    if not (default is None or default is False or default == ()):
        text += f" [{_default_text(default)}]"
    indent = " " * HELP_COLUMN
    lines = textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
    if len(name) + 2 > HELP_COLUMN or not lines:
        return [name, *lines]
    return [name + lines[0][len(name) :], *lines[1:]]


def _default_text(default: Any) -> str:
    if default is True:
        return "yes"
    if isinstance(default, tuple):
        return " ".join(map(str, default))
    return f"{default:g}" if isinstance(default, float) else str(default)


def explanations(kind: type[Any]) -> dict[str, str]:
    """First sentence of the docstring below each field; none where the source is not at hand."""
    try:
        source = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    except OSError:
        return {}
    return {
        field.target.id: _first_sentence(below.value.value)
        for definition in source.body
        if isinstance(definition, ast.ClassDef)
        for field, below in itertools.pairwise(definition.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }


def _first_sentence(text: str) -> str:
    """Without its full stop, and with the fields in it as options."""
    sentence = " ".join(text.split()).split(". ")[0].rstrip(".")
    return re.sub(r"`(\w+)`", lambda match: flag(match[1]), sentence)
