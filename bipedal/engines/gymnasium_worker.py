"""One process's share of Gymnasium's environments; knows nothing of torch, which is slow to import.

Every episode is played in a *fresh* environment. A used BipedalWalker does not reset reproducibly
(Box2D's world keeps memory of earlier bodies), and Box2D's world cannot be saved. But a fresh one
that is fed the same actions goes the same way to the last bit. The first episode is that of
`reset(seed=...)`, and each further one goes on with the random numbers of the last. So the state of
an environment is its generator at the beginning of the episode and the actions taken since, and to
restore it is to play them again (about 0.1 s an environment).
"""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import numpy.typing as npt

from bipedal.engines.reference import make_env
from bipedal.physics.seeding import generator_of, row_of, seed_generators
from bipedal.walker import ACTION_DIM, OBSERVATION_DIM, FloatArray


class Slot:
    """One environment of a chunk: its current episode and what was done in it."""

    def __init__(self, env_id: str, seed: int) -> None:
        """Nothing is made before the first episode."""
        self.env_id = env_id
        self.first = seed_generators([seed])[0]
        """The generator of the first episode, of type `GENERATOR`."""
        self.beginning = self.first
        """The generator with which the current episode began."""
        self.actions: list[FloatArray] = []

    def first_episode(self) -> FloatArray:
        """Begin the seed's first episode; returns its first observation."""
        return self._begin(self.first)

    def next_episode(self) -> FloatArray:
        """Begin the following episode; returns its first observation."""
        return self._begin(row_of(self.env.unwrapped.np_random))

    def _begin(self, generator: np.void) -> FloatArray:
        """Begin an episode in a fresh environment with this generator."""
        self.beginning = generator
        self.actions = []
        self.env = make_env(self.env_id)
        self.env.unwrapped.np_random = generator_of(generator)
        observation, _ = self.env.reset()
        self.hull = self.env.unwrapped.hull  # type: ignore[attr-defined]
        self.start_x = float(self.hull.position.x)
        return np.asarray(observation, dtype=np.float32)

    def step(self, action: FloatArray) -> tuple[FloatArray, float, bool, bool]:
        """Play one action (4,), kept for `replay`."""
        action = action.copy()
        self.actions.append(action)
        observation, reward, terminated, truncated, _ = self.env.step(action)
        return observation, float(reward), terminated, truncated

    def replay(self, beginning: np.void, actions: FloatArray) -> FloatArray:
        """Begin an episode and play `actions` (L, 4) in it; returns the last observation."""
        observation = self._begin(beginning)
        for action in actions:
            observation = self.step(action)[0]
        return observation


LAYOUT: Mapping[str, tuple[int, type]] = {
    "action": (ACTION_DIM, np.float32),
    "observation": (OBSERVATION_DIM, np.float32),
    "final_observation": (OBSERVATION_DIM, np.float32),
    "reward": (1, np.float64),
    "terminated": (1, np.bool_),
    "truncated": (1, np.bool_),
    "distance": (1, np.float64),
}
"""Width of a row and type of the arrays that are exchanged."""


class Arrays:
    """The memory through which the engine and its worker processes exchange a step."""

    def __init__(self, num_envs: int) -> None:
        """Make room for `num_envs` rows of each array."""
        context = multiprocessing.get_context("spawn")
        self.num_envs = num_envs
        self.raw = {
            name: context.RawArray("b", num_envs * width * np.dtype(dtype).itemsize)
            for name, (width, dtype) in LAYOUT.items()
        }

    def view(self, name: str, rows: slice) -> npt.NDArray[Any]:
        """Rows of one array, shared, (n, width) or (n,)."""
        width, dtype = LAYOUT[name]
        array: npt.NDArray[Any] = np.frombuffer(self.raw[name], dtype=dtype)
        return (array.reshape(-1, width) if width > 1 else array)[rows]


class Chunk:
    """Some of the environments, stepped one after another in one process."""

    def __init__(self, env_id: str, seeds: Sequence[int], arrays: Arrays, rows: slice) -> None:
        """Take on the environments with these rows and seeds."""
        self.slots = [Slot(env_id, seed) for seed in seeds]
        self.action = arrays.view("action", rows)
        self.observation = arrays.view("observation", rows)
        self.final_observation = arrays.view("final_observation", rows)
        self.reward = arrays.view("reward", rows)
        self.terminated = arrays.view("terminated", rows)
        self.truncated = arrays.view("truncated", rows)
        self.distance = arrays.view("distance", rows)

    def reset(self) -> None:
        """Begin the first episode of all of them."""
        for row, slot in enumerate(self.slots):
            self.observation[row] = slot.first_episode()

    def step(self) -> None:
        """Play the actions that lie in the arrays; write the answers beside them."""
        for row, slot in enumerate(self.slots):
            observation, reward, terminated, truncated = slot.step(self.action[row])
            self.final_observation[row] = observation
            self.reward[row] = reward
            self.terminated[row] = terminated
            self.truncated[row] = truncated
            self.distance[row] = slot.hull.position.x - slot.start_x
            if terminated or truncated:
                observation = slot.next_episode()
            self.observation[row] = observation

    def state(self) -> list[tuple[np.void, FloatArray]]:
        """Generator at the episode's beginning and actions so far (L, 4) of each."""
        return [
            (slot.beginning, np.array(slot.actions, dtype=np.float32).reshape(-1, ACTION_DIM))
            for slot in self.slots
        ]

    def restore(self, state: list[tuple[np.void, FloatArray]]) -> None:
        """Play saved episodes again."""
        for row, (slot, (beginning, actions)) in enumerate(zip(self.slots, state, strict=True)):
            self.observation[row] = slot.replay(beginning, actions)


STEP, COMMAND, DONE, FAILED = b"s", b"c", b"d", b"f"


def serve(
    env_id: str, seeds: Sequence[int], arrays: Arrays, rows: slice, connection: Connection
) -> None:
    """Serve one chunk in its own process until the other end has gone."""
    chunk = Chunk(env_id, seeds, arrays, rows)
    try:
        while True:
            message = connection.recv_bytes()
            name, arguments = ("step", ()) if message == STEP else connection.recv()
            try:
                result = getattr(chunk, name)(*arguments)
            except Exception as error:
                traceback.print_exc()
                connection.send_bytes(FAILED)
                connection.send(f"{type(error).__name__}: {error}")
                return
            connection.send_bytes(DONE)
            if message == COMMAND:
                connection.send(result)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
