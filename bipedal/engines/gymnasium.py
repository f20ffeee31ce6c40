"""Gymnasium's own environments in parallel processes: the reference engine.

Saving reads and changes nothing: a run that saves at any moment, mid-episode, goes on exactly like
one that never did. How an episode is saved is told in `gymnasium_worker`.
"""

from __future__ import annotations

import atexit
import itertools
import multiprocessing
import signal
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bipedal.engines.crew import Crew
from bipedal.engines.gymnasium_worker import (
    COMMAND,
    FAILED,
    LAYOUT,
    STEP,
    Arrays,
    Chunk,
    serve,
)
from bipedal.engines.reference import check_box2d
from bipedal.errors import RunFailedError, UserError
from bipedal.physics.seeding import GENERATOR
from bipedal.processes import signals_held, usable_cores
from bipedal.walker import Step, check_env_id, seeds_of_rows

_DIED = (
    "an environment process died: was it killed, is memory short, or does a script lack its "
    'if __name__ == "__main__": guard?'
)


class _Remote:
    """A chunk in a process of its own. `send` returns at once, `receive` waits."""

    def __init__(self, env_id: str, seeds: Sequence[int], arrays: Arrays, rows: slice) -> None:
        context = multiprocessing.get_context("spawn")
        self.rows = rows
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=serve, args=(env_id, seeds, arrays, rows, theirs), daemon=True
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
                self.connection.send_bytes(STEP)
            else:
                self.connection.send_bytes(COMMAND)
                self.connection.send((name, arguments))
        except (BrokenPipeError, ConnectionResetError):
            raise RunFailedError(_DIED) from None

    def receive(self) -> Any:
        try:
            status = self.connection.recv_bytes()
            if status == FAILED:
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

    def __init__(self, env_id: str, seeds: Sequence[int], arrays: Arrays, rows: slice) -> None:
        self.rows = rows
        self.chunk = Chunk(env_id, seeds, arrays, rows)

    def send(self, name: str, *arguments: Any) -> None:
        self.result = getattr(self.chunk, name)(*arguments)

    def receive(self) -> Any:
        return self.result

    def close(self) -> None:
        pass


class GymnasiumEngine:
    """N of Gymnasium's own environments on all cores; a `VectorEngine`.

    An environment's first episode is `reset(seed=...)` of a fresh environment, and each further one
    a `reset()` of another fresh one that goes on with its random numbers. So these are the batched
    engine's episodes, and they depend on the seed and the actions alone, not on the number of
    processes. Processes are spawned: a script that makes an engine with `workers` above 1 needs the
    usual `if __name__ == "__main__":` guard.
    """

    def __init__(
        self,
        env_id: str,
        num_envs: int,
        seed: int | Sequence[int],
        workers: int | None = None,
    ) -> None:
        """Make `num_envs` environments over `workers` processes (default: one a core).

        Environment i has the seed `seed + i`, or the i-th of `seed` if that is a sequence. With one
        worker the environments live in this process. Raises `UserError` for an unknown `env_id` and
        an impossible seed, and where Box2D is missing.
        """
        check_env_id(env_id)
        check_box2d()
        seeds = seeds_of_rows(seed, num_envs)
        self.num_envs = num_envs
        self.device = torch.device("cpu")
        workers = min(workers or usable_cores(), num_envs)
        self._arrays = Arrays(num_envs)
        everything = slice(0, num_envs)
        views = {name: torch.from_numpy(self._arrays.view(name, everything)) for name in LAYOUT}
        self._action = views["action"]
        self._step = Step(*(views[name] for name in Step._fields))
        bounds = [round(index * num_envs / workers) for index in range(workers + 1)]
        place = _Local if workers == 1 else _Remote
        self._chunks: list[_Local | _Remote] = []
        self._crew = Crew(1)
        atexit.register(self.close)  # before multiprocessing waits for its processes in vain
        for start, stop in itertools.pairwise(bounds):
            rows = slice(start, stop)
            self._chunks.append(place(env_id, seeds[rows], self._arrays, rows))

    def _call(self, name: str, *arguments: Any) -> list[Any]:
        """Have every chunk do something, each with its own part of the arguments."""
        answers: list[Any] = []

        def exchange() -> None:
            for chunk in self._chunks:
                chunk.send(name, *(argument[chunk.rows] for argument in arguments))
            answers.extend([chunk.receive() for chunk in self._chunks])

        self._crew.run([exchange])
        return answers

    def reset(self) -> Tensor:
        """Start the first episode in every environment; returns observations (N, 24)."""
        self._call("reset")
        return self._step.observation

    def step(self, actions: Tensor) -> Step:
        """Apply actions (N, 4). The tensors returned are overwritten by the next call."""
        self._action.copy_(actions)
        self._call("step")
        return self._step

    def state(self) -> Mapping[str, Tensor]:
        """Where every environment is, to play it again.

        Generators at the episodes' beginnings as bytes (N, 40), lengths so far (N,), and all
        actions since then (Σ length, 4).
        """
        slots = [slot for chunk in self._call("state") for slot in chunk]
        generators = np.array([beginning for beginning, _ in slots])
        return {
            "generator": torch.from_numpy(generators.view(np.uint8).reshape(len(slots), -1)),
            "length": torch.tensor([len(taken) for _, taken in slots]),
            "actions": torch.from_numpy(np.concatenate([taken for _, taken in slots])),
        }

    def restore(self, state: Mapping[str, Tensor]) -> Tensor:
        """Play the saved actions again; returns the observations (N, 24) they lead to."""
        if "generator" not in state:
            raise UserError("this state is of another version of the engine")
        if len(state["generator"]) != self.num_envs:
            raise UserError(
                f"the saved state has {len(state['generator'])} environments, not {self.num_envs}"
            )
        if not torch.isfinite(state["actions"]).all():
            raise UserError("this state of environments is damaged: an action is not finite")
        generators = state["generator"].numpy().view(GENERATOR)[:, 0]
        taken = torch.split(state["actions"], state["length"].tolist())
        slots = [
            (beginning, actions.numpy())
            for beginning, actions in zip(generators, taken, strict=True)
        ]
        self._call("restore", slots)
        return self._step.observation

    def close(self) -> None:
        """End the processes; a step afterwards is a `ValueError`."""
        atexit.unregister(self.close)
        self._crew.close()
        for chunk in self._chunks:
            chunk.close()
