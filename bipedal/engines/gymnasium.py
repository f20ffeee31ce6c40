"""Gymnasium's own environments in parallel processes: the reference engine.

Every episode is played in a *fresh* environment, seeded by (seed, environment, episode). A used
BipedalWalker does not reset reproducibly (Box2D's world keeps memory of earlier bodies), and
Box2D's world cannot be saved; but a fresh one that is fed the same actions goes the same way to
the last bit. So the engine's state is, for each environment, the number of its episode and the
actions taken in it, and to restore is to play them again (about 0.1 s an environment). Saving
reads and changes nothing: a run that saves at any moment, mid-episode, goes on exactly like one
that never did.
"""

from __future__ import annotations

import atexit
import itertools
import multiprocessing
import signal
import traceback
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from bipedal.errors import RunFailedError, UserError
from bipedal.processes import signals_held, usable_cores
from bipedal.walker import ACTION_DIM, ENV_IDS, OBSERVATION_DIM, EngineState, FloatArray, Step


def make_env(env_id: str, render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
    """Make one fresh Gymnasium environment with its time limit; UserError if it is not ours."""
    if env_id not in ENV_IDS:
        raise UserError(f"unknown environment {env_id!r}: choose one of {', '.join(ENV_IDS)}")
    return gymnasium.make(env_id, render_mode=render_mode, disable_env_checker=True)


class _Slot:
    """One environment of a chunk: its current episode and what was done in it."""

    def __init__(self, env_id: str, seed: int, index: int) -> None:
        self.env_id = env_id
        self.seed = seed
        self.index = index
        self.episode = -1
        self.actions: list[FloatArray] = []

    def next_episode(self) -> FloatArray:
        """Begin the following episode in a fresh environment; returns its first observation."""
        self.episode += 1
        self.actions = []
        self.env = make_env(self.env_id)
        seed = np.random.SeedSequence([self.seed, self.index, self.episode]).generate_state(1)[0]
        observation, _ = self.env.reset(seed=int(seed))
        self.hull = self.env.unwrapped.hull  # type: ignore[attr-defined]
        self.start_x = float(self.hull.position.x)
        return np.asarray(observation, dtype=np.float32)

    def step(self, action: FloatArray) -> tuple[FloatArray, float, bool, bool]:
        """Play one action (4,), kept for `replay`."""
        action = action.copy()
        self.actions.append(action)
        observation, reward, terminated, truncated, _ = self.env.step(action)
        return observation, float(reward), terminated, truncated

    def replay(self, episode: int, actions: FloatArray) -> FloatArray:
        """Begin an episode and play `actions` (L, 4) in it; returns the last observation."""
        self.episode = episode - 1
        observation = self.next_episode()
        for action in actions:
            observation = self.step(action)[0]
        return observation


class _Arrays:
    """The memory through which the engine and its worker processes exchange a step."""

    def __init__(self, num_envs: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.num_envs = num_envs
        self.raw = {
            name: context.RawArray("b", num_envs * width * np.dtype(dtype).itemsize)
            for name, (width, dtype) in self._LAYOUT.items()
        }

    _LAYOUT: Mapping[str, tuple[int, type]] = {
        "action": (ACTION_DIM, np.float32),
        "observation": (OBSERVATION_DIM, np.float32),
        "final_observation": (OBSERVATION_DIM, np.float32),
        "reward": (1, np.float64),
        "terminated": (1, np.bool_),
        "truncated": (1, np.bool_),
        "distance": (1, np.float64),
    }

    def view(self, name: str, rows: slice) -> npt.NDArray[Any]:
        """Rows of one array, shared, (n, width) or (n,)."""
        width, dtype = self._LAYOUT[name]
        array: npt.NDArray[Any] = np.frombuffer(self.raw[name], dtype=dtype)
        return (array.reshape(-1, width) if width > 1 else array)[rows]


class _Chunk:
    """Some of the environments, stepped one after another in one process."""

    def __init__(self, env_id: str, seed: int, arrays: _Arrays, rows: slice) -> None:
        self.slots = [_Slot(env_id, seed, index) for index in range(rows.start, rows.stop)]
        self.action = arrays.view("action", rows)
        self.observation = arrays.view("observation", rows)
        self.final_observation = arrays.view("final_observation", rows)
        self.reward = arrays.view("reward", rows)
        self.terminated = arrays.view("terminated", rows)
        self.truncated = arrays.view("truncated", rows)
        self.distance = arrays.view("distance", rows)

    def reset(self) -> None:
        for row, slot in enumerate(self.slots):
            slot.episode = -1
            self.observation[row] = slot.next_episode()

    def step(self) -> None:
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

    def state(self) -> list[tuple[int, FloatArray]]:
        return [
            (slot.episode, np.array(slot.actions, dtype=np.float32).reshape(-1, ACTION_DIM))
            for slot in self.slots
        ]

    def restore(self, state: list[tuple[int, FloatArray]]) -> None:
        for row, (slot, (episode, actions)) in enumerate(zip(self.slots, state, strict=True)):
            self.observation[row] = slot.replay(episode, actions)


_STEP, _COMMAND, _DONE, _FAILED = b"s", b"c", b"d", b"f"
_DIED = (
    "an environment process died: was it killed, is memory short, or does a script lack its "
    'if __name__ == "__main__": guard?'
)


def _work(env_id: str, seed: int, arrays: _Arrays, rows: slice, connection: Connection) -> None:
    """Serve one chunk in its own process until the other end has gone."""
    chunk = _Chunk(env_id, seed, arrays, rows)
    try:
        while True:
            message = connection.recv_bytes()
            name, arguments = ("step", ()) if message == _STEP else connection.recv()
            try:
                result = getattr(chunk, name)(*arguments)
            except Exception as error:
                traceback.print_exc()
                connection.send_bytes(_FAILED)
                connection.send(f"{type(error).__name__}: {error}")
                return
            connection.send_bytes(_DONE)
            if message == _COMMAND:
                connection.send(result)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


class _Remote:
    """A chunk in a process of its own. `send` returns at once, `receive` waits."""

    def __init__(self, env_id: str, seed: int, arrays: _Arrays, rows: slice) -> None:
        context = multiprocessing.get_context("spawn")
        self.rows = rows
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_work, args=(env_id, seed, arrays, rows, theirs), daemon=True
        )
        # The trainer decides when to stop, also where a signal goes to the whole process group;
        # a worker ends when the trainer closes the connection or is no more.
        with signals_held(signal.SIGINT, signal.SIGTERM):
            self.process.start()
        theirs.close()

    def send(self, name: str, *arguments: Any) -> None:
        self.is_step = name == "step"
        try:
            if self.is_step:  # the hot path: one byte each way, the data lies in shared memory
                self.connection.send_bytes(_STEP)
            else:
                self.connection.send_bytes(_COMMAND)
                self.connection.send((name, arguments))
        except (BrokenPipeError, ConnectionResetError):
            raise RunFailedError(_DIED) from None

    def receive(self) -> Any:
        try:
            status = self.connection.recv_bytes()
            if status == _FAILED:
                raise RunFailedError(f"an environment process failed: {self.connection.recv()}")
            return None if self.is_step else self.connection.recv()
        except (EOFError, ConnectionResetError):
            raise RunFailedError(_DIED) from None

    def close(self) -> None:
        self.connection.close()
        self.process.join(timeout=5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class _Local:
    """A chunk in the trainer's own process, with the same two calls."""

    def __init__(self, env_id: str, seed: int, arrays: _Arrays, rows: slice) -> None:
        self.rows = rows
        self.chunk = _Chunk(env_id, seed, arrays, rows)

    def send(self, name: str, *arguments: Any) -> None:
        self.result = getattr(self.chunk, name)(*arguments)

    def receive(self) -> Any:
        return self.result

    def close(self) -> None:
        pass


class GymnasiumEngine:
    """N of Gymnasium's own environments on all cores; a `VectorEngine`.

    Episodes depend on `seed` and the actions alone, not on the number of processes. Processes
    are spawned: a script that makes an engine with `workers` above 1 needs the usual
    `if __name__ == "__main__":` guard.
    """

    def __init__(self, env_id: str, num_envs: int, seed: int, workers: int | None = None) -> None:
        """Make `num_envs` environments over `workers` processes (default: one a core).

        With one worker the environments live in this process. Raises `UserError` for an
        unknown `env_id`.
        """
        make_env(env_id).close()
        self.num_envs = num_envs
        workers = min(workers or usable_cores(), num_envs)
        self._arrays = _Arrays(num_envs)
        everything = slice(0, num_envs)
        self._action = self._arrays.view("action", everything)
        self._step = Step(*(self._arrays.view(name, everything) for name in Step._fields))
        bounds = [round(index * num_envs / workers) for index in range(workers + 1)]
        place = _Local if workers == 1 else _Remote
        self._chunks: list[_Local | _Remote] = []
        atexit.register(self.close)  # before multiprocessing waits for its processes in vain
        for start, stop in itertools.pairwise(bounds):
            self._chunks.append(place(env_id, seed, self._arrays, slice(start, stop)))

    def _call(self, name: str) -> list[Any]:
        for chunk in self._chunks:
            chunk.send(name)
        return [chunk.receive() for chunk in self._chunks]

    def reset(self) -> FloatArray:
        """Start episode 0 in every environment; returns observations (N, 24)."""
        self._call("reset")
        return self._step.observation

    def step(self, actions: FloatArray) -> Step:
        """Apply actions (N, 4). The arrays returned are overwritten by the next call."""
        self._action[:] = actions
        self._call("step")
        return self._step

    def state(self) -> EngineState:
        """Episode numbers (N,), their lengths so far (N,), and all their actions (Σ length, 4)."""
        slots = [slot for chunk in self._call("state") for slot in chunk]
        return {
            "episode": np.array([episode for episode, _ in slots], dtype=np.int64),
            "length": np.array([len(taken) for _, taken in slots], dtype=np.int64),
            "actions": np.concatenate([taken for _, taken in slots]),
        }

    def restore(self, state: EngineState) -> FloatArray:
        """Play the saved actions again; returns the observations (N, 24) they lead to."""
        if len(state["episode"]) != self.num_envs:
            raise UserError(
                f"the saved state has {len(state['episode'])} environments, not {self.num_envs}"
            )
        ends = np.cumsum(state["length"])[:-1]
        slots = list(zip(state["episode"].tolist(), np.split(state["actions"], ends), strict=True))
        for chunk in self._chunks:
            chunk.send("restore", slots[chunk.rows])
        for chunk in self._chunks:
            chunk.receive()
        return self._step.observation

    def close(self) -> None:
        """End the processes."""
        atexit.unregister(self.close)
        for chunk in self._chunks:
            chunk.close()
