"""What an environment answers to an action, and how two answers differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bipedal.walker import FloatArray, Step

OBSERVATIONS = (
    "hull angle",
    "hull spin",
    "hull velocity x",
    "hull velocity y",
    *(
        f"{name} {leg}"
        for leg in (0, 1)
        for name in ("hip angle", "hip speed", "knee angle", "knee speed", "foot contact")
    ),
    *(f"lidar {beam}" for beam in range(10)),
)
"""Names of the 24 numbers of an observation."""


class Answer(NamedTuple):
    """An observation (24,) float32 and what came with it; a reset has no reward and no end."""

    observation: FloatArray
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False

    def to_bytes(self) -> bytes:
        """Every bit of it."""
        ends = bytes((self.terminated, self.truncated))
        return self.observation.tobytes() + np.float64(self.reward).tobytes() + ends


def answer_of(outcome: Any) -> Answer:
    """The answer in what `step` of a Gymnasium environment returned."""
    observation, reward, terminated, truncated, _ = outcome
    return Answer(observation, float(reward), bool(terminated), bool(truncated))


def answers_of(step: Step) -> list[Answer]:
    """The answers of N environments, the caller's own."""
    columns = (step.final_observation, step.reward, step.terminated, step.truncated)
    observation, *others = (column.numpy(force=True) for column in columns)
    rows = zip(observation.copy(), *(other.tolist() for other in others), strict=True)
    return [Answer(*row) for row in rows]


@dataclass(frozen=True)
class Difference:
    """The first number in which an answer is not the one expected."""

    quantity: str
    value: float
    expected: float

    @property
    def size(self) -> float:
        """How far the value is from the expected one; NaN where one of them is NaN."""
        return abs(self.value - self.expected)

    def __str__(self) -> str:
        """Say it so that even one bit shows."""
        numbers = f"{self.value!r} instead of {self.expected!r} (by {self.size:.2g})"
        return f"{self.quantity} is {numbers}"


def first_difference(answer: Answer, expected: Answer) -> Difference | None:
    """Compare two answers bit by bit, so that -0.0 is not 0.0."""
    if answer.to_bytes() == expected.to_bytes():
        return None
    difference = differing_number(answer.observation, expected.observation, OBSERVATIONS)
    if difference is not None:
        return difference
    names = Answer._fields[1:]
    return differing_number(
        np.array(answer[1:], dtype=np.float64), np.array(expected[1:], dtype=np.float64), names
    )


def differing_number(
    values: npt.NDArray[Any], expected: npt.NDArray[Any], names: tuple[str, ...]
) -> Difference | None:
    """Find the first of some named numbers whose bits differ; both arrays are of one type."""
    bits = np.dtype(f"u{values.dtype.itemsize}")
    different = np.flatnonzero(values.view(bits) != expected.view(bits))
    if not len(different):
        return None
    first = int(different[0])
    return Difference(names[first], float(values[first]), float(expected[first]))
