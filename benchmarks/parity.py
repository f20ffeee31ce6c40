"""Is the batched engine Gymnasium's walker, bit for bit? Whole episodes, side by side.

    python benchmarks/parity.py            (about half an hour on two cores; `make parity`)

Both play the same seeds with the same actions, each episode until its end or its first difference.
Every bit is compared after every step: the observation, the reward, terminated and truncated, and
while the episode lasts the position, angle, velocity and spin of the five bodies.
Writes results/parity.json every minute. `--walkers` adds the policies published with *Evolving
Stable Strategies*. An episode depends on its seed alone, so `--behaviours NAME --seed S` plays the
difference of seed S again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from behaviours import BEHAVIOURS, Act, Behaviour, read_walkers
from machine import describe_machine
from tally import Tally

from bipedal.conformance.answer import (
    Answer,
    Difference,
    answer_of,
    answers_of,
    differing_number,
    first_difference,
)
from bipedal.engines.reference import make_env
from bipedal.engines.warp import Kinematics, WarpEngine
from bipedal.files import atomic_write
from bipedal.processes import usable_cores
from bipedal.walker import ACTION_DIM, ENV_IDS, FloatArray

EPISODES = {
    "walking": 250,
    "hardcore walking": 250,
    "crawling": 60,
    "stumbling": 200,
    "held": 1200,
    "random": 150,
    "limp": 200,
    "sleeping": 60,
    "falling": 200,
    "sinusoids": 1100,
    "full torque": 1100,
}
"""Episodes an environment; those of some behaviours are thirty times as long as those of others."""
WALKER_EPISODES = 15
"""Episodes of each published policy."""
SEED = 4_000_000
CHUNK = 20
"""Episodes that a process plays at a time."""
WRITE_SECONDS = 60.0
BODIES = tuple(
    f"{body} {number}"
    for body in ("hull", "upper leg 0", "lower leg 0", "upper leg 1", "lower leg 1")
    for number in ("centre x", "centre y", "angle", "velocity x", "velocity y", "spin")
)
"""Names of the 30 numbers of the bodies."""


class Job(NamedTuple):
    """Some episodes of one behaviour."""

    env_id: str
    behaviour: str
    seeds: Sequence[int]
    walkers: Path | None


def bodies_of(env: Any) -> FloatArray:
    """The 30 numbers of Gymnasium's bodies."""
    walker = env.unwrapped
    return np.array(
        [
            (*body.worldCenter, body.angle, *body.linearVelocity, body.angularVelocity)
            for body in (walker.hull, *walker.legs)
        ],
        dtype=np.float32,
    ).ravel()


def bodies_in(moving: Kinematics) -> FloatArray:
    """The same of the engine's rows (N, 30)."""
    columns = (moving.center, moving.angle[..., None], moving.velocity, moving.spin[..., None])
    return np.concatenate(columns, axis=-1).reshape(len(moving.angle), -1)


class Episode:
    """An episode that goes on in both, and what Gymnasium has answered last."""

    def __init__(self, env_id: str, seed: int, behaviour: Behaviour) -> None:
        """Begin it in a fresh environment."""
        self.seed, self.steps = seed, 0
        self.env = make_env(env_id)
        self.answer = Answer(self.env.reset(seed=seed)[0])
        self.act: Act = behaviour(np.random.default_rng(seed))

    def step(self, action: FloatArray) -> None:
        """Take a step in Gymnasium."""
        self.answer = answer_of(self.env.step(action))
        self.steps += 1

    @property
    def over(self) -> bool:
        """Whether Gymnasium has ended it."""
        return self.answer.terminated or self.answer.truncated

    def compare(self, engine: Answer, bodies: FloatArray) -> Difference | None:
        """What the engine gave that Gymnasium did not.

        When an episode is over, the engine's bodies are already the next one's.
        """
        difference = first_difference(engine, self.answer)
        if difference is None and not self.over:
            difference = differing_number(bodies, bodies_of(self.env), BODIES)
        return difference


def play(job: Job) -> Tally:
    """Play the episodes of a job to their ends, or to where they differ."""
    behaviour = all_behaviours(job.walkers)[job.behaviour]
    tally = Tally()
    with closing(WarpEngine(job.env_id, len(job.seeds), job.seeds, threads=1)) as engine:
        rows = range(len(job.seeds))
        running = {row: Episode(job.env_id, job.seeds[row], behaviour) for row in rows}
        answers = [Answer(observation) for observation in engine.reset().numpy()]
        actions = np.zeros((len(job.seeds), ACTION_DIM), dtype=np.float32)
        while True:
            bodies = bodies_in(engine.kinematics(rows))
            for row, episode in list(running.items()):
                difference = episode.compare(answers[row], bodies[row])
                if difference or episode.over:
                    episode.env.close()
                    tally.count(episode.seed, episode.steps, difference)
                    del running[row]
            if not running:
                return tally
            for row, episode in running.items():
                actions[row] = episode.act(episode.answer.observation)
                episode.step(actions[row])
            answers = answers_of(engine.step(torch.from_numpy(actions)))


def all_behaviours(walkers: Path | None) -> dict[str, Behaviour]:
    """Behaviours by name, the published policies among them if there is a directory of them."""
    return {**BEHAVIOURS, **(read_walkers(walkers) if walkers else {})}


def make_jobs(options: argparse.Namespace) -> Iterator[Job]:
    """Everything to be played; the behaviours take turns, so that a run cut short has them all."""
    known = all_behaviours(options.walkers)
    names = options.behaviours or known
    longest = max(EPISODES.values())
    for start in range(0, options.episodes or longest, CHUNK):
        for name, env_id in itertools.product(names, ENV_IDS):
            episodes = options.episodes or EPISODES.get(name, WALKER_EPISODES)
            seeds = range(options.seed + start, options.seed + min(start + CHUNK, episodes))
            if seeds:
                yield Job(env_id, name, seeds, options.walkers)


def make_report(tallies: dict[str, dict[str, Tally]], seconds: float) -> dict[str, Any]:
    """The contents of the file; the counts of each environment together come first."""
    report: dict[str, Any] = {
        "command": "python benchmarks/parity.py",
        **describe_machine(),
        "seconds": round(seconds),
    }
    for env_id, behaviours in tallies.items():
        together = Tally()
        for tally in behaviours.values():
            together.add(tally)
        counts = asdict(together)
        del counts["first_differences"]  # they stand by their behaviour
        each = {name: asdict(tally) for name, tally in sorted(behaviours.items())}
        report[env_id] = {"together": counts, **each}
    return report


def main() -> None:
    """Play all and write the counts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--walkers", type=Path, help="directory of es-biped*.json")
    parser.add_argument("--behaviours", nargs="+", metavar="NAME")
    parser.add_argument("--episodes", type=int, help="of each behaviour")
    parser.add_argument("--seed", type=int, default=SEED, help="of the first episode")
    parser.add_argument("--out", type=Path, default=Path("results/parity.json"))
    options = parser.parse_args()
    tallies: dict[str, dict[str, Tally]] = {env_id: {} for env_id in ENV_IDS}
    started = written = time.monotonic()
    pool = ProcessPoolExecutor(
        usable_cores(), multiprocessing.get_context("spawn"), torch.set_num_threads, (1,)
    )
    with pool:
        jobs = {pool.submit(play, job): job for job in make_jobs(options)}
        for done, future in enumerate(as_completed(jobs), 1):
            job = jobs[future]
            tallies[job.env_id].setdefault(job.behaviour, Tally()).add(future.result())
            now = time.monotonic()
            if now - written > WRITE_SECONDS or done == len(jobs):
                written = now
                report = make_report(tallies, now - started)
                atomic_write((options.out, (json.dumps(report, indent=1) + "\n").encode()))
                print(f"{done} of {len(jobs)} parts", json.dumps(together_of(report)), flush=True)


def together_of(report: dict[str, Any]) -> dict[str, Any]:
    """The counts of a report by environment."""
    return {env_id: report[env_id]["together"] for env_id in ENV_IDS}


if __name__ == "__main__":
    main()
