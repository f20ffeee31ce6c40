"""A wrong request is answered in one sentence, with exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Captured, assert_refused

pytestmark = pytest.mark.usefixtures("empty_directory")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["frobnicate"], "unknown command 'frobnicate': choose one of train"),
        ([""], "unknown command"),
        (["--json"], "unknown command"),
        (["a\nb\x1b[31m"], "unknown command"),
        (["train", "--preset", "nope"], "unknown preset 'nope'"),
        (["train", "--preset"], "--preset"),
        (["train", "--preset="], "unknown preset"),
        (["train", "--preset", "--resume"], "--preset"),
        (["train", "--resume=3"], "--resume"),
        (["train", "--run-dir"], "--run-dir"),
        (["train", "--run-dir", ""], "--run-dir: the name is empty"),
        (["train", "--resume", "--run-dir", ""], "--run-dir: the name is empty"),
        (["train", "--preset", "hardcore-polish"], "continues from a model: give --init-from"),
        (["train", "--preset", "hardcore-careful"], "pretrained:hardcore"),
        (["train", "--sed", "3"], "unknown option --sed: perhaps you meant --seed"),
        (["train", "--no-layer-nrom"], "perhaps you meant --no-layer-norm"),
        (["train", "--seed", "abc"], "--seed: 'abc' is not a whole number"),
        (["train", "--seed", "1000000"], "--seed must be from 0 to 999,999, not 1000000"),
        (["train", "--gamma", "1"], "--gamma must be above 0 and below 1"),
        (["train", "--evaluation-min-return", "-1e99"], "--evaluation-min-return must be"),
        (["train", "--learning-rate-schedule", "adaptive"], "--learning-rate-schedule"),
        (["train", "--num-envs", "3000000000"], "--num-envs"),
        (["train", "--total-timesteps", "9" * 30], "--total-timesteps"),
        (["train", "--total-timesteps", "9" * 5000], "--total-timesteps"),
        (["train", "--epochs", "9" * 20], "--epochs"),
        (["train", "--env-id", "CartPole-v1"], "CartPole-v1"),
        (["train", "--env-id", "../../etc"], "--env-id"),
        (["train", "--env-id", "x" * 300], "--env-id"),
        (["train", "--engine", "mujoco"], "--engine"),
        (["train", "--device", "tpu"], "--device"),
        (["train", "--no-such-option"], "--no-such-option"),
        (["train", "--num-envs", "many"], "--num-envs"),
        (["train", "--num-envs"], "--num-envs"),
        (["train", "--num-envs", "1.5"], "--num-envs"),
        (["train", "--num-envs", "0"], "--num-envs"),
        (["train", "--minibatch-size", "0"], "--minibatch-size"),
        (["train", "--minibatch-size", "1000000"], "--minibatch-size 1,000,000 is larger"),
        (["train", "--total-timesteps", "-5"], "--total-timesteps"),
        (["train", "--total-timesteps", "2e6"], "--total-timesteps"),
        (["train", "--policy-learning-rate", "nan"], "--policy-learning-rate"),
        (["train", "--policy-learning-rate", "inf"], "--policy-learning-rate"),
        (["train", "--gamma", "1.01"], "--gamma"),
        (["train", "--seed", "-1"], "--seed"),
        (["train", "--seed", str(2**64)], "--seed"),
        (["train", "--hidden-sizes"], "--hidden-sizes"),
        (["train", "--hidden-sizes", "64", "0"], "--hidden-sizes"),
        (["train", "--initial-log-std", "1000"], "--initial-log-std"),
        (["train", "--std-max", "inf"], "--std-max"),
        (["train", "--activation", "gelu"], "--activation"),
        (["train", "stray"], "stray"),
        (["train", "--init-from", "nowhere.pth"], "nowhere.pth"),
        (["train", "--init-from", "pretrained:nobody"], "pretrained:nobody"),
        (["train", "--resume"], "no run"),
        (["train", "--resume", "--run-dir", "nowhere"], "nowhere"),
        (["evaluate"], "MODEL"),
        (["evaluate", "nowhere.pth"], "nowhere.pth"),
        (["evaluate", "nowhere.pth", "--json"], "nowhere.pth"),
        (["evaluate", "."], "best_model.pth"),
        (["evaluate", "pretrained:nobody"], "pretrained:nobody"),
        (["evaluate", "x" * 300], "there is no model"),
        (["evaluate", "/dev/zero"], "/dev/zero"),
        (["evaluate", "a.pth", "b.pth"], "b.pth"),
        (["evaluate", "a.pth", "--episodes", "x"], "--episodes"),
        (["evaluate", "a.pth", "--statistics", "guess"], "--statistics"),
        (["record", "a.pth"], "--out"),
        (["record", "a.pth", "--out", ""], "--out: the name is empty"),
        (["record", "pretrained:walker"], "required: --out"),
        (["report", ""], "RUN: the name is empty"),
        (["evaluate", "a.pth", "--episodes", "30000000"], "--episodes"),
        (["evaluate", "a.pth", "--episode", "3"], "perhaps you meant --episodes"),
        (["record", "nowhere.pth", "--out", "a.mp4"], "nowhere.pth"),
        (["report"], "RUN"),
        (["report", "nowhere"], "nowhere"),
        (["report", "."], "not a run"),
        (["info"], "MODEL"),
        (["info", "nowhere.pth"], "nowhere.pth"),
        (["info", "a\nb\x1b[31m.pth"], "there is no model"),
    ],
)
def test_a_wrong_request_is_answered_in_one_sentence(
    capsys: Captured, arguments: list[str], says: str
) -> None:
    before = sorted(Path().rglob("*"))
    assert says in assert_refused(capsys, *arguments)
    left = [path for path in set(Path().rglob("*")) - set(before) if path.is_file()]
    assert left == []
