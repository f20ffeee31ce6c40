"""What is read of files that anybody may have written, and sound files to begin with."""

from __future__ import annotations

import json
import shutil
import warnings
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import policy_files
import torch
from mutants import (
    Mutator,
    change_archive,
    change_bytes,
    change_json,
    change_safetensors,
    change_table,
    change_torch,
    one_of,
)

from bipedal.checkpoint import load_model, save_model, statistics_path
from bipedal.evaluation.score import evaluate
from bipedal.loading.load import describe_policy, load_policy
from bipedal.presets import DEFAULT
from bipedal.report.data import read_run
from bipedal.report.figures import plan_figures
from bipedal.report.page import make_page
from bipedal.resume import restore_run, state_path
from bipedal.run_directory import read_run_config
from bipedal.tables import AppendingTable, read_columns, read_table
from bipedal.trainer import Trainer
from bipedal.training_loop import train

TOY = replace(
    DEFAULT,
    total_timesteps=384,
    num_envs=2,
    rollout_steps=64,
    minibatch_size=64,
    epochs=1,
    hidden_sizes=(8, 8),
    checkpoint_interval=2,
    evaluation_interval=1,
    evaluation_episodes=1,
    evaluation_min_return=-1e9,
    device="cpu",
)
"""A run that takes a second."""


class Target(NamedTuple):
    """A file that is damaged, and what reads it."""

    name: str
    path: Path
    mutate: Mutator
    read: Callable[[Path], object]


TORCH = one_of(change_torch, change_torch, change_archive({}), change_archive({}), change_bytes)
PICKLE = change_bytes
JSON = one_of(change_json, change_json, change_bytes)
TABLE = one_of(change_table, change_bytes)


def make_targets(directory: Path) -> list[Target]:
    """Write sound files below a directory."""
    run = directory / "run"
    with warnings.catch_warnings(action="ignore"):
        train(TOY, run)
    score = evaluate(load_model(run), "BipedalWalker-v3", episodes=1, seed=0).to_json()
    (run / "score.json").write_text(json.dumps(score))
    return [*_model_targets(directory), *_run_targets(run), *_foreign_targets(directory)]


def _is_one_of(many: int, path: Path) -> bool:
    """Whether a file is the one of `many` that is looked at more closely, which takes longer."""
    return zlib.crc32(path.read_bytes()) % many == 0


# Models -------------------------------------------------------------------------------------------


def _model_targets(directory: Path) -> list[Target]:
    policy = load_model(directory / "run")
    models = [directory / name / "walker.pth" for name in ("model", "statistics")]
    single = directory / "single" / "walker.safetensors"
    for path in (*models, single):
        path.parent.mkdir()
        save_model(path, policy)
    contents = torch.load(models[1], weights_only=True)
    del contents["statistics_sha256"]  # as in the notebook's files
    torch.save(contents, models[1])
    return [
        Target("model.pth", models[0], TORCH, _play),
        Target("stats.pkl", statistics_path(models[1]), PICKLE, lambda _: _play(models[1])),
        Target(
            "model.safetensors",
            single,
            one_of(change_safetensors, change_safetensors, change_bytes),
            _play,
        ),
    ]


OBSERVATIONS = torch.from_numpy(
    np.random.default_rng(0).normal(0.0, 3.0, (3, 24)).astype(np.float32)
)


def _play(path: Path) -> None:
    """What is not refused has finite actions, and can be described."""
    policy = load_policy(path, allow_missing_statistics=True)
    actions = policy.act_batch(OBSERVATIONS)
    assert actions.isfinite().all() and actions.abs().max() <= 1.0
    if _is_one_of(10, path):
        json.dumps(describe_policy(path), allow_nan=False)


def _foreign_targets(directory: Path) -> list[Target]:
    folder = directory / "foreign"
    folder.mkdir()
    state = policy_files.ppo_state()
    zipped = policy_files.write_zip(folder / "a.zip", state, policy_files.facts())
    normalized = folder / "normalized" / "a.zip"
    normalized.parent.mkdir()
    policy_files.write_zip(normalized, state, policy_files.facts(normalized=True))
    pickled = normalized.with_name("vecnormalize.pkl")
    shutil.copy(policy_files.VEC_NORMALIZE, pickled)
    cleanrl = folder / "a.cleanrl_model"
    names = ("fc1", "fc2", "fc_mu")
    actor = policy_files.linear(names, (24, 8, 8, 4))
    scale = {"action_scale": torch.ones(4), "action_bias": torch.zeros(4)}
    torch.save(({**actor, **scale}, {}), cleanrl)
    evolved = policy_files.write_evolved(folder / "a.json")
    parts = {"data": JSON, "policy.pth": TORCH}
    return [
        Target("sb3.zip", zipped, one_of(change_archive(parts), change_bytes), _play),
        Target("vecnormalize.pkl", pickled, PICKLE, lambda _: _play(normalized)),
        Target("cleanrl_model", cleanrl, TORCH, _play),
        Target("evolved.json", evolved, JSON, _play),
    ]


# Runs ---------------------------------------------------------------------------------------------


def _run_targets(run: Path) -> list[Target]:
    trial = run / "trials.csv"
    trial.write_text("arm,seed,mean_return\nours,1,300.5\ntheirs,2,\n")
    return [
        Target("config.json", run / "config.json", JSON, _read_config),
        Target("score.json", run / "score.json", JSON, _show_run),
        Target("metrics.csv", run / "metrics.csv", TABLE, _read_run_table),
        Target("evaluations.csv", run / "evaluations.csv", TABLE, _read_run_table),
        Target("trials.csv", trial, TABLE, read_table),
        Target("resume.pt", state_path(run), TORCH, _Resumer(run)),
    ]


def _show_run(path: Path) -> None:
    make_page(read_run(path.parent), {}, None, "")


def _read_config(path: Path) -> None:
    _show_run(path)
    read_run_config(path.parent).validate()


def _read_run_table(path: Path) -> None:
    _show_run(path)
    columns = read_columns(path)
    assert len({len(column) for column in columns.values()}) <= 1
    if _is_one_of(300, path):
        for plan in plan_figures(read_run(path.parent), None):
            plan.draw()
    sound = path.read_bytes()
    try:
        with closing(AppendingTable(path, keep_iterations=2)) as table:
            table.append(dict.fromkeys(table.columns, 1.0) or {"iteration": 3})
    finally:
        path.write_bytes(sound)


class _Resumer:
    """Restores a state into a trainer; now and then goes on from there."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._tries = 0

    def __call__(self, path: Path) -> None:
        with closing(Trainer(TOY, self._run)) as trainer:
            restore_run(trainer)
            self._tries += 1
            if self._tries % 10 == 0:
                trainer.learner.learn(trainer.timesteps)
