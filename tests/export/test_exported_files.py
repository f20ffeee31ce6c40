"""Exported files act as the policy does."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from commands import C_COMPILER, Captured, assert_refused, strict_json
from conftest import ModelMaker

from bipedal import cli
from bipedal.checkpoint import load_model, save_model
from bipedal.errors import UserError
from bipedal.evaluation.score import evaluate
from bipedal.export.export import export_policy
from bipedal.history import FrameStack
from bipedal.loading.load import load_policy
from bipedal.loading.onnx_file import OnnxPolicy
from bipedal.networks import Activation
from bipedal.policy import Policy
from bipedal.walker import FloatArray

needs_onnx = pytest.mark.skipif(
    find_spec("onnx") is None or find_spec("onnxruntime") is None,
    reason="onnx and onnxruntime are not installed",
)

MAIN = """
#include <stdio.h>
#include "policy.h"

int main(void) {
    float observation[24], action[4];
    while (fread(observation, sizeof(float), 24, stdin) == 24) {
        bipedal_act(observation, action);
        fwrite(action, sizeof(float), 4, stdout);
    }
    return 0;
}
"""


def act_in_c(header: Path, observations: FloatArray, *options: str) -> FloatArray:
    """Actions of a compiled header, (N, 4)."""
    if os.name == "nt":
        pytest.skip("standard input is a text there")
    folder = header.parent
    (folder / "main.c").write_text(MAIN.replace("policy.h", header.name))
    strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2"]
    command = [*C_COMPILER, *strict, *options, "-o", "main", "main.c", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    given = observations.astype(np.float32).tobytes()
    done = subprocess.run([folder / "main"], input=given, capture_output=True, check=True)
    return np.frombuffer(done.stdout, dtype=np.float32).reshape(-1, 4)


def observations(count: int) -> FloatArray:
    """Some beyond the clip of every statistic, some zero."""
    rng = np.random.default_rng(3)
    spread = rng.choice([0.0, 1.0, 100.0], size=(count, 1))
    return cast(FloatArray, (spread * rng.standard_normal((count, 24))).astype(np.float32))


def walking(policy: Policy) -> FloatArray:
    """Observations of a policy that plays."""
    from bipedal.engines.warp import WarpEngine

    engine = WarpEngine("BipedalWalker-v3", 8, 0)
    seen = [engine.reset().clone()]
    for _ in range(100):
        seen.append(engine.step(policy.act_batch(seen[-1])).observation.clone())
    engine.close()
    return cast(FloatArray, torch.cat(seen).numpy())


def every_actor(make_model: ModelMaker) -> list[Policy]:
    kinds: list[tuple[tuple[int, ...], Activation, bool]] = [
        ((8, 8), "relu", True),
        ((70,), "tanh", False),
        ((5, 30, 6), "tanh", True),
        ((4, 4), "relu", False),
    ]
    models = [
        make_model(sizes, activation=activation, layer_norm=norm, seed=number)
        for number, (sizes, activation, norm) in enumerate(kinds)
    ]
    models[0].gain = 0.65
    return models


@needs_onnx
def test_onnx_acts_as_the_policy_does(make_model: ModelMaker, tmp_path: Path) -> None:
    shown = torch.from_numpy(observations(500))
    for model in every_actor(make_model):
        exported = load_policy(export_policy(model, tmp_path / "policy.onnx"))
        assert isinstance(exported, OnnxPolicy)
        assert torch.equal(exported.act_batch(shown), model.act_batch(shown))


@needs_onnx
def test_the_epsilon_of_layer_norm_is_a_double(model: Policy, tmp_path: Path) -> None:
    """Where features hardly vary it decides, and a float32 of it would make other actions."""
    with torch.no_grad():
        for name in ("weight", "bias"):
            getattr(model.actor.net[0], name).mul_(1e-4)
    shown = torch.from_numpy(observations(500))
    exported = load_policy(export_policy(model, tmp_path / "policy.onnx"))
    assert torch.equal(exported.act_batch(shown), model.act_batch(shown))


def test_c_acts_as_the_policy_does(make_model: ModelMaker, tmp_path: Path) -> None:
    shown = observations(500)
    for number, model in enumerate(every_actor(make_model)):
        folder = tmp_path / str(number)
        actions = act_in_c(export_policy(model, folder / "policy.h"), shown)
        expected = model.act_batch(torch.from_numpy(shown)).numpy()
        assert np.abs(actions - expected).max() <= 1e-6


@needs_onnx
def test_the_shipped_walker_keeps_its_score(tmp_path: Path) -> None:
    walker = load_model("pretrained:walker")
    seen = walking(walker)
    expected = walker.act_batch(torch.from_numpy(seen)).numpy()
    exported = load_policy(export_policy(walker, tmp_path / "walker.onnx"))
    assert np.array_equal(exported.act_batch(torch.from_numpy(seen)).numpy(), expected)
    assert np.array_equal(exported.act(seen[7]), expected[7])
    header = export_policy(walker, tmp_path / "walker.h")
    assert np.abs(act_in_c(header, seen) - expected).max() <= 1e-6
    assert np.abs(act_in_c(header, seen, "-DBIPEDAL_REAL=float") - expected).max() <= 1e-5
    ours, theirs = (evaluate(policy, episodes=2, seed=7) for policy in (walker, exported))
    assert np.array_equal(ours.returns, theirs.returns)


def test_a_comment_in_c_cannot_be_left(model: Policy, tmp_path: Path) -> None:
    model.info["preset"] = "*/ #error left\n#error left"
    header = export_policy(model, tmp_path / "policy.h")
    act_in_c(header, observations(1))
    assert "preset: * / #error left#error left\n" in header.read_text()


def test_a_policy_with_memory_is_refused(model: Policy, tmp_path: Path) -> None:
    model.frame_stack = FrameStack(3, 2)
    with pytest.raises(UserError, match="3 observations at once"):
        export_policy(model, tmp_path / "policy.onnx")
    assert not list(tmp_path.iterdir())


def test_a_place_that_takes_no_file(model: Policy, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        export_policy(model, tmp_path / "file" / "policy.h")


# At the command line ------------------------------------------------------------------------------


@needs_onnx
@pytest.mark.usefixtures("empty_directory")
def test_what_is_exported_can_be_played(capsys: Captured, model_path: Path) -> None:
    assert cli.main(["export", str(model_path), "--out", "a.onnx", "--episodes", "6"]) == 0
    assert capsys.readouterr().out == "a.onnx\n"
    assert cli.main(["evaluate", "a.onnx", "--episodes", "6", "--json"]) == 0
    result = strict_json(capsys.readouterr().out)
    assert cli.main(["info", "a.onnx", "--json"]) == 0
    facts = strict_json(capsys.readouterr().out)
    assert facts["score_mean_return"] == f"{result['mean_return']:.3f}"
    assert facts["score_interval"] == " ".join(f"{end:.3f}" for end in result["interval_return"])
    assert (facts["env_id"], facts["seed"], facts["preset"]) == ("BipedalWalker-v3", "0", "default")
    assert len(facts["statistics_sha256"]) == 64
    assert cli.main(["record", "a.onnx", "--out", "a.gif", "--max-seconds", "0.1"]) == 0
    says = assert_refused(capsys, "evaluate", "a.onnx", "--statistics", "fresh")
    assert "has its statistics inside" in says


@pytest.mark.usefixtures("empty_directory")
def test_an_export_that_makes_no_sense(capsys: Captured, model_path: Path) -> None:
    assert ".onnx or .h" in assert_refused(capsys, "export", model_path, "--out", "a.pt")
    assert "--out" in assert_refused(capsys, "export", model_path)
    assert "nowhere" in assert_refused(capsys, "export", "nowhere.pth", "--out", "a.h")
    assert not list(Path().glob("a*"))


@pytest.mark.usefixtures("empty_directory")
def test_without_onnx_there_is_still_c(
    capsys: Captured, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    arguments = ["export", str(model_path), "--episodes", "0", "--out"]
    assert "pip install onnx" in assert_refused(capsys, *arguments, "a.onnx")
    Path("a.onnx").write_bytes(b"")
    assert "pip install onnx" in assert_refused(capsys, "evaluate", "a.onnx")
    assert cli.main([*arguments, "a.h"]) == 0


def test_statistics_are_told_apart_by_their_sum(make_model: ModelMaker, tmp_path: Path) -> None:
    headers = []
    for number, seed in enumerate((0, 0, 1)):
        path = tmp_path / f"{number}.pth"
        save_model(path, make_model(seed=seed))
        header = export_policy(load_model(path), tmp_path / f"{number}.h").read_text()
        headers.append(next(line for line in header.splitlines() if "statistics_sha256" in line))
    assert headers[0] == headers[1] != headers[2]
