"""Record the episodes that `bipedal conformance` plays, from Gymnasium itself.

    python benchmarks/conformance_data.py        (about three minutes; `make conformance-data`)

Writes bipedal/conformance/recorded/ and checks that the batched engine gives the same.
"""

from __future__ import annotations

import numpy as np
import torch
from behaviours import BEHAVIOURS
from machine import installed_versions

from bipedal.conformance.answer import Answer, answer_of
from bipedal.conformance.recording import (
    RecordedEpisode,
    Recording,
    digest_of,
    read_recording,
    recording_path,
    replay,
    round_action,
    write_recording,
)
from bipedal.engines.reference import make_env
from bipedal.walker import ENV_IDS

EPISODES = {
    "walking": 12,
    "hardcore walking": 12,
    "crawling": 3,
    "stumbling": 12,
    "held": 50,
    "random": 8,
    "limp": 4,
    "sleeping": 4,
    "falling": 15,
    "sinusoids": 50,
    "full torque": 50,
}
"""Episodes of each behaviour in an environment."""


def record(env_id: str, behaviour: str, seed: int) -> RecordedEpisode:
    """Play an episode in Gymnasium and keep its actions and the digest of its answers."""
    act = BEHAVIOURS[behaviour](np.random.default_rng(seed))
    env = make_env(env_id)
    answers, actions = [Answer(env.reset(seed=seed)[0])], []
    while not (answers[-1].terminated or answers[-1].truncated):
        actions.append(round_action(act(answers[-1].observation)))
        answers.append(answer_of(env.step(actions[-1])))
    env.close()
    return RecordedEpisode(behaviour, seed, np.array(actions), digest_of(answers))


def main() -> None:
    """Record both environments; each episode has another seed."""
    torch.set_num_threads(1)
    names = [name for name, count in EPISODES.items() for _ in range(count)]
    versions = installed_versions(("gymnasium", "box2d", "numpy"))
    for env_id in ENV_IDS:
        episodes = [record(env_id, name, seed) for seed, name in enumerate(names)]
        write_recording(Recording(env_id, versions, episodes))
        steps = sum(len(episode.actions) for episode, _ in replay(read_recording(env_id)))
        size = recording_path(env_id).stat().st_size
        print(f"{env_id}: {len(episodes)} episodes, {steps:,} steps, {size:,} bytes", flush=True)


if __name__ == "__main__":
    main()
