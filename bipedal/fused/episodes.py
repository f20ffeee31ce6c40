"""Whole greedy episodes on a CPU without a return to Python."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bipedal import capture
from bipedal.engines.warp import WarpEngine
from bipedal.fused.kernel import greedy_kernel
from bipedal.fused.network import Call, Network, Normaliser, supports
from bipedal.physics.constants import NUM_BODIES
from bipedal.policy import Policy
from bipedal.walker import TIME_LIMITS


class Played(NamedTuple):
    """What became of the episodes of N environments."""

    returns: Tensor
    """(N,) float64"""
    lengths: Tensor
    """(N,) int64"""
    notes: npt.NDArray[Any]
    """(T, R) what was noted of the robots that are recorded, each until the end of its episode: the
    rows `body` and `joint` of the engine's memory, `touching` for each body, and `reward`."""


def can_play(policy: Policy, engine: WarpEngine) -> bool:
    """Whether compiled code can play a policy's episodes on an engine."""
    plain = engine.device.type == "cpu" and not capture.records(policy.device)
    return plain and policy.frame_stack.frames == 1 and supports(policy.actor)


def play_greedily(
    policy: Policy, engine: WarpEngine, gain: Tensor, recorded: Sequence[int]
) -> Played:
    """Play the episodes that have just begun in an engine to their ends.

    Robots whose episode is over must stand still (`rest`). `gain` (N,) replaces the policy's own,
    `recorded` are environments that are noted. The network is computed in float32, so an action may
    differ from that of `Policy.act_batch` in its last bits.
    """
    count, (action, answer) = engine.num_envs, engine.memory
    note = _note(engine)
    notes = np.zeros((TIME_LIMITS[engine.env_id], len(recorded)), note)
    played = Played(torch.zeros(count, dtype=torch.float64), torch.full((count,), -1), notes)
    body, joint, contact = (getattr(engine.walkers, name) for name in ("body", "joint", "contact"))
    contact_type = _element(contact)
    over = torch.zeros(count, dtype=torch.bool)
    calls = [
        Call(
            greedy_kernel,
            _Plan,
            policy.actor,
            policy.normalizer,
            first=part.start,
            end=part.stop,
            gain=gain.float().contiguous(),
            observation=answer.observation,
            reward=answer.reward,
            terminated=answer.terminated,
            truncated=answer.truncated,
            action=action,
            episode_return=played.returns,
            episode_length=played.lengths,
            over=over,
            recorded=len(recorded),
            rows=torch.tensor(recorded, dtype=torch.int64),
            body=body.ptr,
            joint=joint.ptr,
            contact=contact.ptr,
            contact_count=engine.walkers.contact_count.ptr,
            body_size=note["body"].itemsize,
            joint_size=note["joint"].itemsize,
            contact_size=contact_type.itemsize,
            contacts=contact.shape[1],
            body_offset=_offset(contact_type, "body"),
            touching_offset=_offset(contact_type, "touching"),
            notes=notes.ctypes.data,
            note_size=note.itemsize,
            flags_offset=_offset(note, "touching"),
            reward_offset=_offset(note, "reward"),
        )
        for part in engine.parts
    ]

    def until_over(call: Call) -> Callable[[], bool]:
        def between() -> bool:
            call.launch()
            return bool(call.plan.playing == 0)

        return between

    engine.play(TIME_LIMITS[engine.env_id], [*map(until_over, calls)])
    return played


def _element(array: Any) -> np.dtype[Any]:
    """Type of an array's elements."""
    dtype: np.dtype[Any] = array[:1].numpy().dtype
    return dtype


def _offset(dtype: np.dtype[Any], field: str) -> int:
    assert dtype.fields is not None
    return dtype.fields[field][1]


def _note(engine: WarpEngine) -> np.dtype[Any]:
    """What is noted of a robot after a step."""
    walkers = engine.walkers
    return np.dtype(
        [
            ("body", _element(walkers.body), walkers.body.shape[1]),
            ("joint", _element(walkers.joint), walkers.joint.shape[1]),
            ("touching", np.bool_, NUM_BODIES),
            ("reward", np.float64),
        ]
    )


class _Plan(ctypes.Structure):
    """`Plan` of greedy.cpp."""

    _fields_ = [
        ("network", Network),
        ("normaliser", Normaliser),
        ("first", ctypes.c_int64),
        ("end", ctypes.c_int64),
        ("playing", ctypes.c_int64),
        *(
            (name, ctypes.c_void_p)
            for name in (
                "gain",
                "observation", "reward", "terminated", "truncated", "action",
                "episode_return", "episode_length", "over",
            )
        ),
        ("recorded", ctypes.c_int64),
        *(
            (name, ctypes.c_void_p)
            for name in ("rows", "body", "joint", "contact", "contact_count")
        ),
        *(
            (name, ctypes.c_int64)
            for name in (
                "body_size", "joint_size", "contact_size", "contacts",
                "body_offset", "touching_offset",
            )
        ),
        ("notes", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("note_size", "flags_offset", "reward_offset")),
    ]  # fmt: skip
