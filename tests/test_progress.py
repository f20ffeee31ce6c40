"""What a training shows on a terminal and in a log."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from bipedal import progress as module
from bipedal.progress import TrainingDisplay
from bipedal.trainer import Progress

PROGRESS = Progress(
    iteration=3,
    timesteps=250_000,
    total_timesteps=10_000_000,
    mean_return=133.6,
    best_return=0.0,
    std=0.5,
    stage="walks, falls 12%",
    steps_per_second=18_575.0,
    elapsed=9.5,
)


def shown(
    monkeypatch: pytest.MonkeyPatch,
    goal: float | None,
    *states: Progress,
    terminal: bool,
    encoding: str = "utf-8",
) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="backslashreplace", write_through=True)
    console = Console(file=stream, force_terminal=terminal, width=140, highlight=False)
    monkeypatch.setattr(module, "console", console)
    with TrainingDisplay("training it", goal) as display:
        for state in states:
            display(state)
        display.phase("confirming")
        display(states[-1])
    return raw.getvalue().decode(encoding)


def test_a_log_has_a_line_with_words(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, 300.0, PROGRESS, replace(PROGRESS, iteration=4), terminal=False)
    assert text.splitlines() == [
        "training it",
        "    9.5 s  0.25M timesteps  return  133.6   18,575 steps/s  walks, falls 12%",
    ]


def test_a_log_says_how_many_timesteps_there_will_be_where_that_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    last = replace(PROGRESS, timesteps=10_000_000, elapsed=400.0)
    text = shown(monkeypatch, None, PROGRESS, last, terminal=False)
    assert "0.25M/10.00M timesteps" in text and "10.00M/10.00M timesteps" in text


def test_a_terminal_shows_phases_and_the_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    first = replace(PROGRESS, mean_return=float("nan"), stage="")
    text = shown(monkeypatch, 300.0, first, PROGRESS, terminal=True)
    assert "confirming" in text and "▅" in text and "return  133.6" in text
    assert text.rindex("walks, falls 12%") > text.rindex("confirming")


def test_a_terminal_that_cannot_show_the_curve_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, 300.0, PROGRESS, terminal=True, encoding="ascii")
    assert "return  133.6" in text and "\\u25" not in text
