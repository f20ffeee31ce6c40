"""The batched engine as the trainer and other users see it: N walkers, stepped together."""

from __future__ import annotations

import functools
import itertools
import math
import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import warp as wp
from torch import Tensor

from bipedal.engines.crew import Crew
from bipedal.errors import RunFailedError, UserError
from bipedal.physics.blocks import step_blocks, step_each
from bipedal.physics.broadphase import Sweep
from bipedal.physics.constants import DT, NUM_BODIES
from bipedal.physics.kernels import load_kernels, start_warp
from bipedal.physics.lanes import LANES, Real
from bipedal.physics.robot import make_robot
from bipedal.physics.rules import Outcome, Rules
from bipedal.physics.seeding import GENERATOR, generator_of, row_of, seed_generators
from bipedal.physics.soundness import check_state
from bipedal.physics.state import Ground, Walkers, describe_overflow, fields, make_rows
from bipedal.physics.step import Scratch
from bipedal.physics.terrain import (
    DIFFICULTIES,
    Difficulty,
    check_terrain,
    index_boxes_kernel,
)
from bipedal.physics.workspace import FIELDS
from bipedal.processes import usable_cores
from bipedal.walker import (
    ACTION_DIM,
    OBSERVATION_DIM,
    TIME_LIMITS,
    Step,
    check_env_id,
    seeds_of_rows,
)

MAX_BLOCK = 128
"""Environments that one thread takes through a step together; more fall out of its cache."""
CUDA_BLOCK = 32
"""Threads in a block on a GPU. Each takes an environment and many registers, so small blocks spread
a few thousand environments over all multiprocessors."""
COMPILING = "Compiling the walker's physics for this machine: about half a minute, this once."

Snapshot = Mapping[str, Tensor]
"""Everything about some environments: a row of bytes (uint8) for each, by the name of the array."""


class Kinematics(NamedTuple):
    """How R robots stand and move; bodies and joints are numbered as in `physics/robot.py`."""

    center: npt.NDArray[np.float32]
    """(R, 5, 2) m, centres of mass."""
    angle: npt.NDArray[np.float32]
    """(R, 5) rad"""
    rotation: npt.NDArray[np.float32]
    """(R, 5, 2) cosine and sine of the angle, as the engine has them."""
    velocity: npt.NDArray[np.float32]
    """(R, 5, 2) m/s, of the centres of mass."""
    spin: npt.NDArray[np.float32]
    """(R, 5) rad/s"""
    touching: npt.NDArray[np.bool_]
    """(R, 5) which bodies truly touch the ground; observations 8 and 13 say something else."""
    torque: npt.NDArray[np.float32]
    """(R, 4) N m, what the motors applied in the last step."""


def kinematics_of(
    body: npt.NDArray[Any], joint: npt.NDArray[Any], touching: npt.NDArray[np.bool_]
) -> Kinematics:
    """How robots stand and move by rows of the engine's memory, and by what touches the ground."""
    return Kinematics(
        center=body["center"],
        angle=body["angle"],
        rotation=body["rotation"],
        velocity=body["velocity"],
        spin=body["spin"],
        touching=touching,
        torque=joint["motor_impulse"] * np.float32(1 / DT),
    )


_starting = threading.Lock()


def quiet_warp() -> None:
    """Start Warp without its banner, its module messages and its word on missing GPUs.

    Descriptor 2 is the whole process's, so this happens once, and in one thread at a time.
    """
    with _starting:
        _start_warp()


@functools.cache
def _start_warp() -> None:
    wp.config.log_level = wp.LOG_ERROR
    # The word on GPUs comes from native code, which asks no setting: it writes to descriptor 2.
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error: nothing to keep quiet
        start_warp()
        return
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            start_warp()
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _check_device(device: str) -> None:
    """UserError if Warp knows no such device."""
    try:
        wp.get_device(device)
    except (RuntimeError, ValueError):
        known = ", ".join(str(one) for one in wp.get_devices())
        raise UserError(
            f"the engine cannot run on {device!r}: Warp finds only {known} here. For a GPU it may "
            "need a newer driver"
        ) from None


def _load_kernels(device: str, say: Callable[[str], None]) -> None:
    """Compile the kernels or fetch them from Warp's cache; says so if it takes long."""
    timer = threading.Timer(1.5, say, args=(COMPILING,))
    timer.start()
    try:
        if wp.get_device(device).is_cpu:
            load_kernels([step_blocks, index_boxes_kernel], device)
        else:
            load_kernels([step_each], device, CUDA_BLOCK)
            load_kernels([index_boxes_kernel], device)
    finally:
        timer.cancel()


class WarpEngine:
    """N walkers in BipedalWalker-v3's or BipedalWalkerHardcore-v3's world; a `VectorEngine`.

    An environment's first episode is on the terrain and with the push of Gymnasium's
    `reset(seed=...)`, and each further one on those of a `reset()` after it. Episodes depend on the
    environment's seed and actions alone: not on the number of threads, nor on the other
    environments. On one machine the bits are the same; another device or processor may round
    differently.

    An environment that is done begins its next episode in the same step, see `bipedal.walker.Step`;
    without `autoreset` it goes on as it is until `begin_episodes`. Or, with `rest`, it stands still
    until then: steps leave it, and its rows of what they return, as they are.
    """

    def __init__(
        self,
        env_id: str,
        num_envs: int,
        seed: int | Sequence[int],
        *,
        device: str = "cpu",
        threads: int | None = None,
        autoreset: bool = True,
        rest: bool = False,
        time_limit: int | None = None,
        say: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
    ) -> None:
        """Make `num_envs` walkers; `threads` is for the CPU (default: one a core).

        Environment i has the seed `seed + i`, or the i-th of `seed` if that is a sequence. An
        episode is truncated after `time_limit` timesteps (default: Gymnasium's limit). The first
        engine on a machine compiles its kernels, told through `say`. Raises `UserError` for an
        unknown `env_id` or `device`, fewer than one environment or timestep, or an impossible seed,
        and `RunFailedError` where nothing can be compiled.
        """
        check_env_id(env_id)
        counts = {"environment": num_envs, "thread": threads, "timestep an episode": time_limit}
        for name, count in counts.items():
            if count is not None and count < 1:
                raise UserError(f"an engine needs at least one {name}, not {count}")
        self._seeds = seeds_of_rows(seed, num_envs)
        quiet_warp()
        _check_device(device)
        _load_kernels(device, say)
        self.env_id = env_id
        self.num_envs = num_envs
        self.device = torch.device(wp.device_to_torch(device))
        self._on_cpu = self.device.type == "cpu"

        groups = -(-num_envs // LANES)
        rows = groups * LANES
        self.ground = make_rows(Ground, rows, device)
        self.walkers = make_rows(Walkers, rows, device)
        self._robot = make_robot(device)
        self._difficulty: Any = wp.array(
            np.tile(DIFFICULTIES[env_id].row(), (rows, 1)), dtype=wp.float32, device=device
        )
        self._floats = wp.zeros(groups * FIELDS * LANES, dtype=wp.float32, device=device)
        self._vectors: Any = wp.array(
            ptr=self._floats.ptr, shape=(groups * FIELDS,), dtype=Real, device=device
        )
        self._scratch = make_scratch(rows, device)
        self._actions = wp.zeros((rows, ACTION_DIM), dtype=wp.float32, device=device)
        self._outcome = make_outcome(rows, device)
        self._rules = make_rules(time_limit or TIME_LIMITS[env_id], autoreset, rest)

        threads = min(threads or usable_cores(), groups) if self._on_cpu else 1
        self._crew = Crew(threads) if threads > 1 else None
        self._block = min(MAX_BLOCK, -(-groups // threads) * LANES)
        self._streams: dict[int, Any] = {}
        blocks = -(-num_envs // self._block)
        self._bounds = [blocks * thread // threads for thread in range(threads + 1)]
        self._launches = self._record_launches()
        # The engine's own memory; the tensors are made once, as making them takes a while.
        arrays = fields(self._outcome)
        self._step = Step(*(wp.to_torch(arrays[name])[:num_envs] for name in Step._fields))
        self._action = wp.to_torch(self._actions)[:num_envs]
        self._views: dict[str, npt.NDArray[Any]] = {}
        self._device_rows = {} if self._on_cpu else _device_rows(self.walkers)
        self._closed = False
        self.started = False
        """Whether an episode has begun."""
        self._seed_rows(range(num_envs), self._seeds)

    # A `VectorEngine` -----------------------------------------------------------------------------

    def reset(self, seed: int | Sequence[int] | None = None) -> Tensor:
        """Start the first episode everywhere, with other seeds from now on if some are given.

        `seed` is as in the constructor. Returns observations (N, 24).
        """
        if seed is not None:
            self._seeds = seeds_of_rows(seed, self.num_envs)
        return self.begin_episodes(range(self.num_envs), self._seeds)

    def step(self, actions: Tensor) -> Step:
        """Apply actions (N, 4). The tensors returned are overwritten by the next call.

        Like Gymnasium's walker this takes the sign of an action and at most 1 of its size. Raises
        `ValueError` for another shape, before the first `reset`, after `close`, and on a CPU for
        NaN, which would end in Gymnasium's state.

        On CUDA nothing waits, so NaN is not looked for: the launch follows what torch's current
        stream has been given, and can be captured with it in a graph.
        """
        if not self.started:
            raise ValueError("reset comes before the first step")
        if actions.shape != (self.num_envs, ACTION_DIM):
            raise ValueError(f"actions must be ({self.num_envs}, 4), not {tuple(actions.shape)}")
        if self._on_cpu and np.isnan(actions.detach().numpy()).any():
            raise ValueError("an action is NaN")
        self._action.copy_(actions)
        self._launch(resetting=False)
        return self._step

    @property
    def observation(self) -> Tensor:
        """(N, 24) what was observed last; overwritten like what `step` returns."""
        return self._step.observation

    @property
    def memory(self) -> tuple[Tensor, Step]:
        """Where a step looks for actions, (N, 4) float32, and where it leaves its answer."""
        return self._action, self._step

    @property
    def parts(self) -> list[range]:
        """The environments of each thread, on a CPU."""
        starts = [block * self._block for block in self._bounds]
        return [
            range(start, min(stop, self.num_envs))
            for start, stop in itertools.pairwise(starts)
            if stop > start
        ]

    def play(self, steps: int, between: Sequence[Callable[[], bool | None]]) -> None:
        """Take some steps on a CPU, each thread with its part of the environments, on its own.

        `between` has a function for each of `parts`. Its thread calls it before every step and
        after the last one: it reads the answers that lie in `memory`, puts actions there, and may
        end its part's steps with True. Raises `ValueError` as `step` does, for NaN after the steps.
        """
        if not self.started:
            raise ValueError("reset comes before the first step")
        if self._closed:
            raise ValueError("the engine is closed")

        def play_part(between: Callable[[], bool | None], step: Callable[[], None]) -> None:
            for _ in range(steps):
                if between():
                    return
                step()
            between()

        launches = zip(between, self._launches[False], strict=True)
        self._run([functools.partial(play_part, *part) for part in launches])
        self.check_overflow()
        if np.isnan(self._action.numpy()).any():
            raise ValueError("an action is NaN")

    def state(self) -> Snapshot:
        """Everything needed to go on exactly from here, mid-episode included."""
        return self.snapshot(range(self.num_envs))

    def restore(self, state: Snapshot) -> Tensor:
        """Go back to a saved state; returns the observations (N, 24) at that moment."""
        rows = len(state["steps"]) if "steps" in state else self.num_envs
        if rows != self.num_envs:
            raise UserError(f"the saved state has {rows} environments, not {self.num_envs}")
        self.restore_rows(range(self.num_envs), state)
        self.started = True
        return self._step.observation

    def close(self) -> None:
        """End the threads; a step afterwards is a `ValueError`."""
        self._closed = True
        if self._crew is not None:
            self._crew.close()

    # Rows -----------------------------------------------------------------------------------------

    def snapshot(self, rows: Iterable[int]) -> Snapshot:
        """The full state of some environments; after a restore the future is bit-identical.

        The generators of later terrains are in it. The seeds that `reset` goes back to are not,
        nor whether the engine makes terrains or was given them.
        """
        index = self._checked(rows)
        return {
            name: torch.from_numpy(_as_bytes(array.numpy())[index])
            for name, array in self._saved().items()
        }

    def restore_rows(self, rows: Iterable[int], snapshot: Snapshot) -> None:
        """Put saved environments into rows, also others than they came from, or several times.

        Their generators come with them, so copies of one environment also get the same terrains in
        their next episodes. Raises `UserError` for what no engine has saved.
        """
        index = self._checked(rows)
        saved = self._saved()
        if set(snapshot) != set(saved):
            raise UserError("this state is of another version of the engine")
        for name, array in saved.items():
            width = _as_bytes(array.numpy()).shape[1:]
            if snapshot[name].shape[1:] != width or snapshot[name].dtype != torch.uint8:
                raise UserError("this state is of another version of the engine")
        check_state({name: _like(array.numpy(), snapshot[name]) for name, array in saved.items()})
        for name, array in saved.items():
            host = array.numpy()
            _as_bytes(host)[index] = snapshot[name].cpu().numpy()
            if not self._on_cpu:
                array.assign(host)

    def _checked(self, rows: Iterable[int]) -> list[int]:
        """Numbers of environments; `UserError` if there is no such one."""
        index = list(rows)
        for row in index:
            if not 0 <= row < self.num_envs:
                raise UserError(f"there is no environment {row}: they are 0 to {self.num_envs - 1}")
        return index

    def _saved(self) -> dict[str, Any]:
        """The arrays of a snapshot."""
        saved = {
            **fields(self.ground),
            **fields(self.walkers),
            "difficulty": self._difficulty,
            "observation": self._outcome.observation,
        }
        del saved["overflow"]  # it says what happened and decides nothing
        return saved

    def set_difficulty(self, rows: Iterable[int], difficulty: Difficulty) -> None:
        """Decide how hard the terrains of some environments are, from their next episodes on."""
        _write(self._difficulty, self._checked(rows), difficulty.row())

    def set_start(
        self, row: int, height: npt.ArrayLike, boxes: npt.ArrayLike, force: float
    ) -> None:
        """Give an environment its terrain and the push on the hull in an episode's first step.

        `height` (200,) in m, `boxes` (B, 4) of left, bottom, right, top in m, `force` in N. From
        now on no environment of this engine makes new terrain: every episode of a row is played
        where the row stands. Raises `UserError` for an impossible terrain.
        """
        self._checked([row])
        line, box = check_terrain(height, boxes)
        if not math.isfinite(force):
            raise UserError(f"the force on the hull must be finite, not {force}")
        self._set_rule("generate_ground", 0)
        _write(self.ground.height, row, line)
        _write(self.ground.box, (row, slice(len(box))), box)
        _write(self.ground.box_count, row, len(box))
        _write(self.walkers.start_force, row, force)
        wp.launch(index_boxes_kernel, 1, [self.ground, row], device=str(self.device))

    def begin_episodes(self, rows: Iterable[int], seeds: Sequence[int] | None = None) -> Tensor:
        """Begin an episode in some environments; returns the observations (N, 24) of all.

        With `seeds`, one a row, it is the first of each seed, otherwise the next of each row.
        """
        index = self._checked(rows)
        if seeds is not None:
            self._seed_rows(index, seeds_of_rows(seeds, len(index)))
        self.started = True
        active = np.zeros(self._scratch.active.shape, dtype=np.int32)
        active[index] = 1
        _write(self._scratch.active, slice(None), active)
        self._launch(resetting=True)
        return self._step.observation

    def generators(self, rows: Iterable[int]) -> list[np.random.Generator]:
        """Copies of the generators that draw the next episodes of some environments."""
        index = self._checked(rows)
        return [generator_of(row) for row in self._rows("generator", index)]

    def set_generators(
        self, rows: Iterable[int], generators: Sequence[np.random.Generator]
    ) -> None:
        """Draw the next episodes of some environments with copies of these generators, one a row.

        Raises `UserError` for a generator that is not a PCG64, as `numpy.random.default_rng` is.
        """
        for generator in generators:
            if not isinstance(generator.bit_generator, np.random.PCG64):
                raise UserError(f"an episode needs a PCG64 generator, not {generator}")
        values = np.array([row_of(generator) for generator in generators], dtype=GENERATOR)
        _write(self.walkers.generator, self._checked(rows), values)

    # What one cannot see in an observation --------------------------------------------------------

    def kinematics(self, rows: Iterable[int]) -> Kinematics:
        """How the robots of some environments stand and move; of one that was just done, the next.

        The next episode begins in the step in which the last one ends.
        """
        index = self._checked(rows)
        body, joint = self._rows("body", index), self._rows("joint", index)
        return kinematics_of(body, joint, self._touching(index))

    def _touching(self, rows: Sequence[int]) -> npt.NDArray[np.bool_]:
        """Which bodies of some robots (R, 5) touch the ground."""
        count = self._rows("contact_count", rows)[:, None]
        width = count.max(initial=0)  # the rest are many and empty
        contact = self._rows("contact", rows, width)
        robot, number = ((contact["touching"] == 1) & (np.arange(width) < count)).nonzero()
        touching = np.zeros((len(rows), NUM_BODIES), dtype=np.bool_)
        touching[robot, contact["body"][robot, number]] = True
        return touching

    def _rows(self, name: str, rows: Sequence[int], width: int | None = None) -> npt.NDArray[Any]:
        """A copy of some rows of an array of the walkers, or of their first `width` elements."""
        if self._on_cpu:
            view = self._view(name)
            copy: npt.NDArray[Any] = (view if width is None else view[:, :width])[list(rows)]
            return copy
        return self._device_rows[name].copy(rows, width)

    def _view(self, name: str) -> npt.NDArray[Any]:
        """An array of the walkers, the engine's own memory; on a CPU."""
        if name not in self._views:  # making one takes a while
            self._views[name] = getattr(self.walkers, name).numpy()
        return self._views[name]

    def poses(self) -> npt.NDArray[np.float32]:
        """Centre of mass and angle of every body (N, 5, 3): m, m, rad.

        Bodies: hull, upper leg 0, lower leg 0, upper leg 1, lower leg 1. Of an environment that
        was just done these are already the next episode's; so with the two methods that follow.
        """
        moving = self.kinematics(range(self.num_envs))
        return np.concatenate([moving.center, moving.angle[..., None]], axis=-1)

    def terrain(self, row: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
        """The current terrain of an environment: heights (200,) and boxes (B, 4) in m.

        A box, of a stump, stairs or a pit's wall, is left, bottom, right, top.
        """
        self._checked([row])
        count = self.ground.box_count.numpy()[row]
        return self.ground.height.numpy()[row].copy(), self.ground.box.numpy()[row, :count].copy()

    def boxes(self, rows: Iterable[int]) -> list[npt.NDArray[np.float32]]:
        """The boxes of `terrain` in some environments, each (B, 4)."""
        count, box = self.ground.box_count.numpy(), self.ground.box.numpy()
        return [box[row, : count[row]].copy() for row in self._checked(rows)]

    def touching(self) -> npt.NDArray[np.bool_]:
        """Which bodies (N, 5) truly touch the ground; observations 8 and 13 say something else."""
        return self.kinematics(range(self.num_envs)).touching

    def joint_torques(self) -> npt.NDArray[np.float32]:
        """What the motors applied in the last step (N, 4) in N m: hip, knee of leg 0, then 1."""
        return self.kinematics(range(self.num_envs)).torque

    # Launches -------------------------------------------------------------------------------------

    def _seed_rows(self, rows: Sequence[int], seeds: Sequence[int]) -> None:
        _write(self.walkers.generator, list(rows), seed_generators(seeds))

    def _set_rule(self, name: str, value: int) -> None:
        """Change a rule; the recorded launches hold a copy of them all, made anew if it differs."""
        if getattr(self._rules, name) != value:
            setattr(self._rules, name, value)
            self._launches = self._record_launches()

    def _record_launches(self) -> dict[bool, list[Callable[..., None]]]:
        """The kernel launches of a step (False) and of a reset (True), one a thread.

        On CUDA a launch takes the stream that it goes to.
        """
        common = [
            self._robot, self.ground, self.walkers, self._difficulty, self._rules, self._scratch,
        ]  # fmt: skip
        exchanged = [self._actions, self._outcome]
        if not self._on_cpu:
            return {
                resetting: [
                    wp.launch(
                        step_each,
                        self.num_envs,
                        [*common, self._floats, *exchanged, int(resetting)],
                        device=str(self.device),
                        record_cmd=True,
                        block_dim=CUDA_BLOCK,
                    ).launch
                ]
                for resetting in (False, True)
            }
        return {
            resetting: [
                wp.launch(
                    step_blocks,
                    stop - start,
                    [
                        *common, self._vectors, self._floats, *exchanged,
                        self.num_envs, start, self._block, int(resetting),
                    ],
                    device=str(self.device),
                    record_cmd=True,
                ).launch
                for start, stop in itertools.pairwise(self._bounds)
                if stop > start
            ]
            for resetting in (False, True)
        }  # fmt: skip

    def _launch(self, *, resetting: bool) -> None:
        if self._closed:
            raise ValueError("the engine is closed")
        launches = self._launches[resetting]
        if self._on_cpu:
            self._run(launches)
        else:
            launches[0](self._stream())
        if self._on_cpu or resetting:
            self.check_overflow()

    def _run(self, jobs: Sequence[Callable[[], None]]) -> None:
        """Do one job a thread."""
        if self._crew is None:
            jobs[0]()
        else:
            self._crew.run(jobs)

    def _stream(self) -> Any:
        """Torch's current stream. Warp is told of each once: not while torch records a graph."""
        current = torch.cuda.current_stream(self.device)
        if current.cuda_stream not in self._streams:
            self._streams[current.cuda_stream] = wp.stream_from_torch(current)
        return self._streams[current.cuda_stream]

    def check_overflow(self) -> None:
        """Raise `RunFailedError` if an environment did not fit into an array of fixed size.

        Every step on a CPU and every `reset` does this. A step on CUDA does not, because it would
        have to wait; the flag stays set, so a caller there can check once a rollout.
        """
        overflow = self._view("overflow") if self._on_cpu else self.walkers.overflow.numpy()
        if overflow.any():
            message = describe_overflow(overflow)
            self.walkers.overflow.zero_()
            raise RunFailedError(message)


class _DeviceRows(NamedTuple):
    """An array in a GPU's memory, of which some rows can be copied."""

    memory: Tensor
    """(N, bytes of a row)"""
    dtype: np.dtype[Any]
    """Of an element."""

    def copy(self, rows: Sequence[int], width: int | None) -> npt.NDArray[Any]:
        """Some rows, or their first `width` elements, in the host's memory."""
        end = None if width is None else width * self.dtype.itemsize
        index = torch.tensor(rows, device=self.memory.device)
        elements = self.memory[:, :end][index].cpu().numpy().reshape(-1).view(self.dtype)
        single = self.memory.shape[1] == self.dtype.itemsize
        return elements if single else elements.reshape(len(rows), -1)


def _device_rows(walkers: Any) -> dict[str, _DeviceRows]:
    """The arrays of walkers on a GPU."""
    found = {}
    for name, array in fields(walkers).items():
        count = array.shape[0]
        size = array.size * wp.types.type_size_in_bytes(array.dtype)
        flat: Any = wp.array(ptr=array.ptr, shape=(size,), dtype=wp.uint8, device=array.device)
        dtype = array[:1].numpy().dtype
        found[name] = _DeviceRows(wp.to_torch(flat).view(count, -1), dtype)
    return found


def make_rules(time_limit: int, autoreset: bool, rest: bool = False) -> Any:
    """What an episode of an environment is."""
    rules: Any = Rules()
    rules.time_limit = time_limit
    rules.autoreset = int(autoreset)
    rules.rest = int(rest)
    rules.generate_ground = 1
    rules.dt_ratio = float(np.float32(1.0) / np.float32(DT) * np.float32(DT))
    return rules


def make_scratch(rows: int, device: str) -> Any:
    """The memory that a step needs while it goes on."""
    scratch: Any = Scratch()
    scratch.sweep = wp.zeros((rows, NUM_BODIES), dtype=Sweep, device=device)
    scratch.before = wp.zeros(rows, dtype=wp.float64, device=device)
    for name in ("active", "row_of", "order", "likeness"):
        setattr(scratch, name, wp.zeros(rows, dtype=wp.int32, device=device))
    return scratch


def make_outcome(rows: int, device: str) -> Any:
    """The arrays that a step fills."""
    outcome = Outcome()
    for name in ("observation", "final_observation"):
        setattr(outcome, name, wp.zeros((rows, OBSERVATION_DIM), dtype=wp.float32, device=device))
    for name, dtype in (
        ("reward", wp.float64),
        ("terminated", wp.bool),
        ("truncated", wp.bool),
        ("distance", wp.float64),
    ):
        setattr(outcome, name, wp.zeros(rows, dtype=dtype, device=device))
    return outcome


def _write(array: Any, index: Any, values: Any) -> None:
    """Set elements of an array on any device."""
    host = array.numpy()  # on a CPU this is the array itself
    host[index] = values
    if not array.device.is_cpu:
        array.assign(host)


def _like(array: npt.NDArray[Any], rows: Tensor) -> npt.NDArray[Any]:
    """Bytes of rows (n, bytes of a row) as an array of the same kind."""
    data: npt.NDArray[Any] = np.ascontiguousarray(rows.cpu().numpy())
    return data.view(array.dtype).reshape(len(data), *array.shape[1:])


def _as_bytes(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """The same memory as (rows, bytes of a row)."""
    return array.reshape(len(array), -1).view(np.uint8)
