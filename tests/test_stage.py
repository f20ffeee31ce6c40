"""What a watcher of a training is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bipedal.rollout import EpisodeStatistics
from bipedal.stage import BARS, describe, sparkline


def episode(distance: float, fell: bool) -> EpisodeStatistics:
    return EpisodeStatistics(0, 0.0, 100, distance, fell)


@pytest.mark.parametrize(
    ("episodes", "words"),
    [
        ([], ""),
        ([(0.5, True), (1.0, True), (1.0, False)], "falls over"),
        ([(0.5, True), (1.0, False)], "stands still"),
        ([(3.0, True), (9.0, False)], "takes steps, falls 50%"),
        ([(80.0, False)], "walks"),
        ([(80.0, False)] * 49 + [(40.0, True)], "walks, falls 2%"),
    ],
)
def test_a_stage_is_what_most_episodes_are_like(
    episodes: list[tuple[float, bool]], words: str
) -> None:
    assert describe([episode(*one) for one in episodes]) == words


def test_a_sparkline_goes_from_low_to_high() -> None:
    assert sparkline([0.0, 1.0, 2.0, 3.0], 4, 0.0, 3.0) == "▁▃▆█"
    assert sparkline([0.0, 0.0, 3.0, 3.0], 2, 0.0, 3.0) == "▁█"
    assert sparkline([-9.0, 99.0], 5, 0.0, 3.0) == "▁█"
    assert sparkline([], 5, 0.0, 3.0) == ""


@given(st.lists(st.floats(-1e6, 1e6)), st.integers(1, 20))
def test_a_sparkline_is_as_long_as_there_is_room_or_data(values: list[float], width: int) -> None:
    line = sparkline(values, width, -110.0, 300.0)
    assert len(line) == min(width, len(values))
    assert set(line) <= set(BARS)
