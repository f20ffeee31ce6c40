"""The help of every command."""

from __future__ import annotations

import dataclasses
import re

import pytest
from commands import COMMANDS, Captured

from bipedal import cli, options
from bipedal.commands import checking, models, showing, training
from bipedal.config import TrainConfig
from bipedal.presets import PRESETS

pytestmark = pytest.mark.usefixtures("empty_directory")


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_is_on_standard_output(capsys: Captured, command: str | None, flag: str) -> None:
    assert cli.main([command, flag] if command else [flag]) == 0
    captured = capsys.readouterr()
    assert "usage: bipedal" in captured.out
    assert captured.err == ""


def test_without_arguments_there_is_help(capsys: Captured) -> None:
    assert cli.main([]) == 0
    assert "usage: bipedal" in capsys.readouterr().out


def test_help_lists_every_command_and_every_option_of_training(capsys: Captured) -> None:
    cli.main(["--help"])
    usage = capsys.readouterr().out
    assert all(command in usage for command in COMMANDS)
    cli.main(["train", "--help"])
    text = capsys.readouterr().out
    for option in ("--preset", "--env-id", "--engine", "--total-timesteps", "--seed", "--run-dir",
                   "--device", "--init-from", "--resume", "--[no-]layer-norm"):  # fmt: skip
        assert option in text


@pytest.mark.parametrize("others", [["--resume"], ["--preset", "seed"], ["--run-dir", "/proc/x"]])
def test_help_is_given_whatever_else_is_asked(capsys: Captured, others: list[str]) -> None:
    assert cli.main(["train", *others, "--help"]) == 0
    assert "usage: bipedal train" in capsys.readouterr().out


def test_help_shows_the_defaults_of_the_preset(capsys: Captured) -> None:
    cli.main(["train", "--preset", "seed", "--help"])
    assert "[256 256]" in capsys.readouterr().out


def test_help_of_training_names_every_preset(capsys: Captured) -> None:
    cli.main(["train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    named = re.search(r"Named defaults: (.*?) \[", text)
    assert named is not None
    assert set(re.split(", | or ", named[1])) == set(PRESETS)


def test_help_begins_with_what_a_newcomer_needs_and_has_headings(capsys: Captured) -> None:
    cli.main(["train", "--help"])
    lines = capsys.readouterr().out.splitlines()
    headings = [line for line in lines if re.fullmatch(r"\w[\w ]*:", line)]
    assert headings == [
        "Run:", "Environments:", "PPO:", "Learning rates:", "Networks:",
        "Exploration:", "Evaluation and saving:",
    ]  # fmt: skip
    first = lines[lines.index("Run:") : lines.index("Environments:")]
    for option in ("--preset", "--env-id", "--total-timesteps", "--seed", "--run-dir", "--resume"):
        assert any(line.startswith(f"  {option}") for line in first)


@pytest.mark.parametrize(
    "kind",
    [
        training.TrainArguments, TrainConfig, training.RunsArguments, models.EvaluateArguments,
        models.ExportArguments, models.PushArguments, models.InfoArguments, showing.RecordArguments,
        showing.ReportArguments, showing.ShareArguments, showing.WatchArguments,
        checking.ConformanceArguments, checking.StudyArguments,
    ],
)  # fmt: skip
def test_every_option_has_a_short_line_of_help(kind: type) -> None:
    lines = options.explanations(kind)
    assert lines.keys() == {field.name for field in dataclasses.fields(kind)}
    for name, line in lines.items():
        assert 5 <= len(line) <= 120, name


@pytest.mark.parametrize("columns", ["20", "80", "300"])
def test_help_fits_the_terminal(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    cli.main(["train", "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= min(max(60, int(columns)), 110)


def test_version(capsys: Captured) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("bipedal 0.")
