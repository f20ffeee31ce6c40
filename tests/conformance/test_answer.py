"""Two answers differ in a bit, and it is told which."""

from __future__ import annotations

import numpy as np
import pytest

from bipedal.conformance.answer import OBSERVATIONS, Answer, Difference, first_difference
from bipedal.conformance.recording import digest_of

ANSWER = Answer(np.arange(24, dtype=np.float32) / np.float32(7), 0.25, False, False)


def changed(index: int, value: float) -> Answer:
    observation = ANSWER.observation.copy()
    observation[index] = value
    return ANSWER._replace(observation=observation)


def test_there_are_24_names() -> None:
    assert len(set(OBSERVATIONS)) == 24
    assert OBSERVATIONS[8] == "foot contact 0"
    assert OBSERVATIONS[13] == "foot contact 1"


def test_equal_answers_have_no_difference() -> None:
    assert first_difference(ANSWER, changed(3, float(ANSWER.observation[3]))) is None


@pytest.mark.parametrize(
    ("answer", "difference"),
    [
        (changed(0, -0.0), Difference("hull angle", -0.0, 0.0)),
        (changed(7, 1.5), Difference("knee speed 0", 1.5, 1.0)),
        (changed(23, 2.0), Difference("lidar 9", 2.0, float(np.float32(23 / 7)))),
        (ANSWER._replace(reward=-100.0), Difference("reward", -100.0, 0.25)),
        (ANSWER._replace(terminated=True), Difference("terminated", 1.0, 0.0)),
        (ANSWER._replace(truncated=True), Difference("truncated", 1.0, 0.0)),
    ],
)
def test_the_first_difference_is_named(answer: Answer, difference: Difference) -> None:
    found = first_difference(answer, ANSWER)
    assert str(found) == str(difference)  # -0.0 == 0.0
    assert digest_of([answer]) != digest_of([ANSWER])


def test_one_bit_shows_in_the_words() -> None:
    above = float(np.nextafter(ANSWER.observation[1], np.float32(1)))
    words = str(first_difference(changed(1, above), ANSWER))
    assert words == "hull spin is 0.142857164144516 instead of 0.1428571492433548 (by 1.5e-08)"


def test_nan_is_a_difference() -> None:
    found = first_difference(changed(5, float("nan")), ANSWER)
    assert found is not None
    assert np.isnan(found.size)
