"""Episodes recorded from Gymnasium: what was done, and a digest of what was answered.

A file holds no observations. The batched engine computes them again, and the digest proves that
they are Gymnasium's.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from bipedal.conformance.answer import Answer, answers_of
from bipedal.engines.warp import WarpEngine
from bipedal.errors import RunFailedError
from bipedal.files import atomic_write
from bipedal.walker import ACTION_DIM, FloatArray, check_env_id

DIRECTORY = Path(__file__).parent / "recorded"
LEVELS = 64
"""Recorded actions are whole multiples of 1/64, so that they take little room."""
_DIGEST_BYTES = 16


@dataclass(frozen=True)
class RecordedEpisode:
    """An episode of a fresh environment, from `reset(seed=seed)` to its end."""

    behaviour: str
    seed: int
    actions: FloatArray
    """(T, 4)"""
    digest: bytes
    """Of Gymnasium's answers, see `digest_of`."""


@dataclass(frozen=True)
class Recording:
    """Episodes of one of Gymnasium's environments."""

    env_id: str
    versions: Mapping[str, str]
    """Packages that it was recorded with."""
    episodes: Sequence[RecordedEpisode]


def digest_of(answers: Iterable[Answer]) -> bytes:
    """A digest of every bit of an episode's answers, that to the reset first."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for answer in answers:
        digest.update(answer.to_bytes())
    return digest.digest()


def round_action(action: FloatArray) -> FloatArray:
    """The action nearest to this one that a recording can hold."""
    levels: FloatArray = np.rint(np.clip(action, -1, 1) * LEVELS).astype(np.float32)
    return levels / np.float32(LEVELS)


def recording_path(env_id: str) -> Path:
    """The file with the episodes of an environment; `UserError` for an unknown `env_id`."""
    check_env_id(env_id)
    return DIRECTORY / f"{env_id}.npz"


def write_recording(recording: Recording) -> None:
    """Write the file of a recording's environment, whole or not at all."""
    episodes = recording.episodes
    actions = np.concatenate([episode.actions for episode in episodes])
    file = io.BytesIO()
    np.savez_compressed(
        file,
        versions=np.array(json.dumps(recording.versions)),
        behaviour=np.array([episode.behaviour for episode in episodes]),
        seed=np.array([episode.seed for episode in episodes]),
        length=np.array([len(episode.actions) for episode in episodes]),
        # Each joint by itself, because that compresses better.
        actions=np.ascontiguousarray((actions * LEVELS).astype(np.int8).T),
        digest=np.frombuffer(b"".join(e.digest for e in episodes), np.uint8),
    )
    atomic_write((recording_path(recording.env_id), file.getvalue()))


def read_recording(env_id: str) -> Recording:
    """Read the episodes of an environment; `UserError` for an unknown `env_id`."""
    with np.load(recording_path(env_id), allow_pickle=False) as file:
        arrays = dict(file)
    actions = arrays["actions"].T.astype(np.float32) / np.float32(LEVELS)
    parts = np.split(actions, np.cumsum(arrays["length"])[:-1])
    digests = arrays["digest"].reshape(-1, _DIGEST_BYTES)
    columns = (arrays["behaviour"].tolist(), arrays["seed"].tolist(), parts, digests)
    episodes = [
        RecordedEpisode(behaviour, seed, part, digest.tobytes())
        for behaviour, seed, part, digest in zip(*columns, strict=True)
    ]
    return Recording(env_id, json.loads(arrays["versions"].item()), episodes)


def replay(
    recording: Recording, *, rows: int = 64, threads: int | None = None
) -> Iterator[tuple[RecordedEpisode, list[Answer]]]:
    """Yield the episodes, shortest first, with Gymnasium's answers: the reset's, then each step's.

    The batched engine plays `rows` of them at a time. Raises `RunFailedError` if its answers are
    not those that were recorded.
    """
    episodes = sorted(recording.episodes, key=lambda episode: len(episode.actions))
    for start in range(0, len(episodes), rows):
        block = episodes[start : start + rows]
        answered = _play(recording.env_id, block, threads)
        for episode, answers in zip(block, answered, strict=True):
            if digest_of(answers) != episode.digest:
                raise RunFailedError(
                    f"the batched engine does not give the recorded episode {episode.seed} of "
                    f"{recording.env_id} on this machine, so it cannot tell what is right"
                )
            yield episode, answers


def _play(
    env_id: str, episodes: Sequence[RecordedEpisode], threads: int | None
) -> list[list[Answer]]:
    """The engine's answers in some episodes."""
    seeds = [episode.seed for episode in episodes]
    with closing(WarpEngine(env_id, len(seeds), seeds, threads=threads)) as engine:
        answers = [[Answer(first)] for first in engine.reset().numpy().copy()]
        for time in range(max(len(episode.actions) for episode in episodes)):
            actions = np.zeros((len(seeds), ACTION_DIM), dtype=np.float32)
            running = [row for row, e in enumerate(episodes) if time < len(e.actions)]
            for row in running:
                actions[row] = episodes[row].actions[time]
            given = answers_of(engine.step(torch.from_numpy(actions)))
            for row in running:
                answers[row].append(given[row])
        return answers
