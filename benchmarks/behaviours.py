"""Ways to move the walker, good and bad, for comparisons of engines.

A behaviour begins an episode: it takes a generator of random numbers and returns what gives the
episode's actions. So the actions of an episode depend on its seed and observations alone.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from bipedal.checkpoint import load_model
from bipedal.loading.load import load_policy
from bipedal.policy import Policy
from bipedal.walker import ACTION_DIM, FloatArray

Act = Callable[[FloatArray], FloatArray]
"""An observation (24,) to an action (4,), both float32; called once a timestep."""
Behaviour = Callable[[np.random.Generator], Act]

SPLITS = np.array([-1, 1, 1, 1], dtype=np.float32)
"""Full torques on which the robot stands, one leg behind and one before, until it sleeps."""


@functools.cache
def _load(name: str) -> Policy:
    return load_model(f"pretrained:{name}")


def pretrained(name: str, gain: float = 1.0, noise: float = 0.0) -> Behaviour:
    """A pretrained policy with other torques: `gain` inside its tanh, and normal noise."""

    def begin(rng: np.random.Generator) -> Act:
        policy = _load(name).share()
        policy.gain *= gain

        def act(observation: FloatArray) -> FloatArray:
            disturbance = noise * rng.standard_normal(ACTION_DIM, dtype=np.float32)
            return policy.act(observation) + disturbance

        return act

    return begin


def blind(plan: Callable[[np.random.Generator], Iterable[FloatArray]]) -> Behaviour:
    """A behaviour that looks at nothing: it plays the actions that `plan` yields."""

    def begin(rng: np.random.Generator) -> Act:
        actions = iter(plan(rng))
        return lambda observation: next(actions)

    return begin


def _draw(rng: np.random.Generator) -> FloatArray:
    return rng.uniform(-1, 1, ACTION_DIM).astype(np.float32)


def _random(rng: np.random.Generator) -> Iterator[FloatArray]:
    while True:
        yield _draw(rng)


def _held(rng: np.random.Generator) -> Iterator[FloatArray]:
    while True:
        yield from itertools.repeat(_draw(rng), 20)


def _limp(rng: np.random.Generator) -> Iterator[FloatArray]:
    """No torque until it would sleep if it still stood, then random torques; again and again."""
    while True:
        yield from itertools.repeat(np.zeros(ACTION_DIM, dtype=np.float32), 150)
        for _ in range(50):
            yield _draw(rng)


def _sleeping(rng: np.random.Generator) -> Iterator[FloatArray]:
    """Stand until asleep, wake up by a few random torques, stand again."""
    while True:
        yield from itertools.repeat(SPLITS, 150)
        for _ in range(rng.integers(1, 15)):
            yield _draw(rng)


def _falling(rng: np.random.Generator) -> Iterator[FloatArray]:
    """Both hips one way, so that the robot falls on its back or on its face."""
    hips = rng.choice([-1, 1]) * rng.uniform(0.3, 1)
    torques = np.array([hips, rng.uniform(-1, 1), hips, rng.uniform(-1, 1)], dtype=np.float32)
    return itertools.repeat(torques)


def _sinusoids(rng: np.random.Generator) -> Iterator[FloatArray]:
    """A sinusoid of its own for each joint, from slow swings to shaking."""
    frequency = 10 ** rng.uniform(-2, 0.5, ACTION_DIM)
    phase = rng.uniform(0, 2 * np.pi, ACTION_DIM)
    for time in itertools.count():
        yield np.sin(phase + frequency * time).astype(np.float32)


def _full_torque(rng: np.random.Generator) -> Iterator[FloatArray]:
    """Each joint at full torque, reversed every ten steps on average."""
    torques = rng.choice([-1, 1], ACTION_DIM).astype(np.float32)
    while True:
        yield torques
        torques = np.where(rng.random(ACTION_DIM) < 0.1, -torques, torques)


BEHAVIOURS: dict[str, Behaviour] = {
    "walking": pretrained("walker"),
    "hardcore walking": pretrained("hardcore"),
    "crawling": pretrained("walker", gain=0.3),
    "stumbling": pretrained("walker", noise=0.5),
    "held": blind(_held),
    "random": blind(_random),
    "limp": blind(_limp),
    "sleeping": blind(_sleeping),
    "falling": blind(_falling),
    "sinusoids": blind(_sinusoids),
    "full torque": blind(_full_torque),
}


def read_walkers(directory: Path) -> dict[str, Behaviour]:
    """The walkers published with *Evolving Stable Strategies* in `directory`, by their names."""

    def behaviour(path: Path) -> Behaviour:
        act = load_policy(path).act
        return lambda rng: act

    return {path.stem: behaviour(path) for path in sorted(directory.glob("es-biped*.json"))}
