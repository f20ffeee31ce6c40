"""Play the recorded episodes in an environment and compare every bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from bipedal.conformance.answer import Answer, Difference, answer_of, first_difference
from bipedal.conformance.recording import RecordedEpisode, Recording, read_recording, replay
from bipedal.engines.reference import check_box2d
from bipedal.errors import RunFailedError, UserError
from bipedal.walker import ACTION_DIM, ENV_IDS, HARDCORE_ID, OBSERVATION_DIM, WALKER_ID

SHOWN_DIFFERENCES = 20
"""Episodes of which the text tells the first difference; the JSON has them all."""

Progress = Callable[[Iterable[Any], int], Iterable[Any]]
"""Takes what is worked through and how many there are; returns the same, and shows how far."""


@dataclass(frozen=True)
class EpisodeVerdict:
    """How an episode went: the same to its end, or up to its first difference."""

    behaviour: str
    seed: int
    steps: int
    """Steps compared; with a difference, that in which it appeared, 0 for the reset."""
    difference: Difference | None


@dataclass(frozen=True)
class Verdict:
    """How the recorded episodes went in an environment."""

    env_id: str
    recording: Recording
    episodes: Sequence[EpisodeVerdict]

    @property
    def differing(self) -> list[tuple[EpisodeVerdict, Difference]]:
        """Episodes with a difference, and the difference."""
        return [(one, one.difference) for one in self.episodes if one.difference is not None]

    def complaint(self) -> str | None:
        """One sentence that says what is wrong; None if all is identical."""
        if not self.differing:
            return None
        return (
            f"{self.env_id} is not Gymnasium's {self.recording.env_id}: "
            f"{len(self.differing)} of {len(self.episodes)} episodes differ"
        )

    def to_json(self) -> dict[str, Any]:
        """Counts, in all and by behaviour, and the first difference of each episode."""
        return {
            "env_id": self.env_id,
            "reference": self.recording.env_id,
            "recorded_with": dict(self.recording.versions),
            "identical": not self.differing,
            **_count(self.episodes),
            "behaviours": {name: _count(rows) for name, rows in self._by_behaviour().items()},
            "differences": [_difference_to_json(*one) for one in self.differing],
        }

    def __str__(self) -> str:
        """A table of behaviours, then the first differences."""
        versions = ", ".join(f"{name} {v}" for name, v in self.recording.versions.items())
        row = "{:18}{:>10}{:>11}{:>10}".format
        lines = [
            f"{self.env_id} beside Gymnasium's {self.recording.env_id} ({versions})",
            "",
            row("behaviour", "episodes", "identical", "steps"),
        ]
        for name, episodes in {**self._by_behaviour(), "together": self.episodes}.items():
            lines.append(row(name, *(f"{count:,}" for count in _count(episodes).values())))
        if self.differing:
            lines += ["", "First difference of an episode:"]
            lines += (_line(*one) for one in self.differing[:SHOWN_DIFFERENCES])
        if len(self.differing) > SHOWN_DIFFERENCES:
            lines.append(f"  ... and {len(self.differing) - SHOWN_DIFFERENCES} more (see --json)")
        return "\n".join(lines)

    def _by_behaviour(self) -> dict[str, list[EpisodeVerdict]]:
        names = dict.fromkeys(episode.behaviour for episode in self.episodes)
        return {name: [e for e in self.episodes if e.behaviour == name] for name in names}


def check_conformance(
    env_id: str,
    reference: str | None = None,
    *,
    progress: Progress = lambda items, total: items,
) -> Verdict:
    """Play every recorded episode in fresh environments of `gymnasium.make(env_id)`.

    `reference` is the environment of Gymnasium's that it should equal; without it, Hardcore if
    `env_id` says so. Raises `UserError` if there is no such environment, if it is Gymnasium's own
    and Box2D is missing, or if its spaces are not the walker's, and `RunFailedError` if it fails on
    the way.
    """
    if reference is None:
        reference = HARDCORE_ID if "hardcore" in env_id.lower() else WALKER_ID
    recording = read_recording(reference)
    if env_id in ENV_IDS:
        check_box2d()
    _make(env_id).close()  # complain of a wrong name before the engine starts
    played = progress(replay(recording), len(recording.episodes))
    verdicts = [_play(env_id, episode, answers) for episode, answers in played]
    places = {episode.seed: place for place, episode in enumerate(recording.episodes)}
    return Verdict(env_id, recording, sorted(verdicts, key=lambda verdict: places[verdict.seed]))


def _make(env_id: str) -> gymnasium.Env[Any, Any]:
    try:
        env: gymnasium.Env[Any, Any] = gymnasium.make(env_id, disable_env_checker=True)
    except Exception as error:  # whatever somebody's environment raises
        raise UserError(f"gymnasium.make({env_id!r}) fails: {_words(error)}") from error
    for name, size in (("observation", OBSERVATION_DIM), ("action", ACTION_DIM)):
        space = getattr(env, f"{name}_space")
        if space.shape != (size,) or space.dtype != np.float32:
            raise UserError(
                f"{env_id} is not a walker: its {name} space is {space}, not ({size},) float32"
            )
    return env


def _play(env_id: str, episode: RecordedEpisode, expected: Sequence[Answer]) -> EpisodeVerdict:
    """Play an episode in a fresh environment up to its end or its first difference."""
    env = _make(env_id)
    step = 0
    try:
        answer = Answer(env.reset(seed=episode.seed)[0])
        while True:
            difference = first_difference(_checked(answer), expected[step])
            if difference or step == len(episode.actions):
                return EpisodeVerdict(episode.behaviour, episode.seed, step, difference)
            answer = answer_of(env.step(episode.actions[step].copy()))
            step += 1
    except Exception as error:  # whatever somebody's environment raises
        raise RunFailedError(
            f"{env_id} fails after {step} steps of the episode with seed {episode.seed}: "
            f"{_words(error)}"
        ) from error
    finally:
        env.close()


def _checked(answer: Answer) -> Answer:
    """The answer with its observation as a numpy array; TypeError if that is of another kind."""
    observation = np.ascontiguousarray(answer.observation)
    if observation.shape != (OBSERVATION_DIM,) or observation.dtype != np.float32:
        raise TypeError(
            f"an observation is {observation.shape} {observation.dtype}, not (24,) float32"
        )
    return answer._replace(observation=observation)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _count(episodes: Sequence[EpisodeVerdict]) -> dict[str, int]:
    return {
        "episodes": len(episodes),
        "identical_episodes": sum(episode.difference is None for episode in episodes),
        "steps": sum(episode.steps for episode in episodes),
    }


def _line(episode: EpisodeVerdict, difference: Difference) -> str:
    moment = f"step {episode.steps}" if episode.steps else "reset"
    return f"  {episode.behaviour}, seed {episode.seed}, {moment}: {difference}"


def _difference_to_json(episode: EpisodeVerdict, difference: Difference) -> dict[str, Any]:
    """JSON has no NaN and no infinity: null stands for them."""
    numbers = {
        "value": difference.value,
        "expected": difference.expected,
        "size": difference.size,
    }
    return {
        "behaviour": episode.behaviour,
        "seed": episode.seed,
        "step": episode.steps,
        "quantity": difference.quantity,
        **{name: number if math.isfinite(number) else None for name, number in numbers.items()},
    }
