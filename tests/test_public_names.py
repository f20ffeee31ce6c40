"""What `import bipedal` offers, and what it does not cost."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

import bipedal
from bipedal.config import TrainConfig
from bipedal.evaluation.gait import GaitClass
from bipedal.policy import Policy
from bipedal.walker import FloatArray


@pytest.fixture
def walker() -> Policy:
    policy = bipedal.load_model("pretrained:walker")
    assert isinstance(policy, Policy)
    return policy


def test_the_example_of_the_readme_runs() -> None:
    policy = bipedal.load_model("pretrained:walker")
    assert bipedal.evaluate(policy, episodes=1).mean_return > 300.0


def test_environments() -> None:
    with closing(bipedal.make_vec(num_envs=3)) as envs:
        assert envs.reset(seed=0)[0].shape == (3, 24)
    with closing(bipedal.make("BipedalWalkerHardcore-v3", max_episode_steps=2)) as env:
        assert env.reset(seed=0)[0].shape == (24,)
        assert env.spec is not None and env.spec.id == "bipedal/BipedalWalkerHardcore-v3"


def test_a_video_and_a_gait(walker: Policy, tmp_path: Path) -> None:
    recorded = bipedal.record(walker, tmp_path / "walk.gif", max_seconds=0.2)
    assert recorded.length == 10
    assert (tmp_path / "walk.gif").stat().st_size > 0
    assert bipedal.analyse_gait(walker, seed=3).gait_class in (GaitClass.WALKING, GaitClass.RUNNING)


def test_training_and_going_on(tiny_config: TrainConfig, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    stopped = bipedal.train(tiny_config, run_dir, seed=3, should_stop=lambda: True)
    assert (stopped.finished, stopped.timesteps) == (False, 128)
    iterations: list[int] = []
    finished = bipedal.train(
        run_dir=run_dir,
        resume=True,
        on_iteration=lambda progress: iterations.append(progress.iteration),
    )
    assert finished.finished
    assert iterations == [2, 3]
    policy = bipedal.load_model(finished.run_dir)
    assert isinstance(policy, Policy) and policy.info["seed"] == 3


def test_a_preset_is_a_start_for_changes(tmp_path: Path) -> None:
    config = bipedal.presets.get_preset("seed")
    outcome = bipedal.train(
        "seed",
        tmp_path,
        total_timesteps=64,
        rollout_steps=64,
        epochs=1,
        evaluation_interval=0,
        video_interval=0,
    )
    assert outcome.timesteps == 64
    assert bipedal.TrainConfig(preset="seed") != config
    assert bipedal.presets.PRESETS["seed"] is config


def test_a_function_is_scored_as_well() -> None:
    def stand(observation: FloatArray) -> FloatArray:
        assert observation.shape == (24,)
        return np.zeros(4, dtype=np.float32)

    evaluation = bipedal.evaluate(stand, episodes=2, seed=5)
    assert evaluation.env_id == "BipedalWalker-v3"
    assert len(evaluation.returns) == 2
    assert bipedal.analyse_gait(stand, "BipedalWalkerHardcore-v3").fell
    with pytest.raises(ValueError, match="a plain function has no statistics"):
        bipedal.evaluate(stand, statistics="fresh")


def test_wrong_arguments_raise_pythons_own_errors(walker: Policy, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pth"):
        bipedal.load_model("nowhere.pth")
    with pytest.raises(ValueError, match="known are hardcore, record, walker"):
        bipedal.load_model("pretrained:runner")
    (tmp_path / "junk.pth").write_bytes(b"junk")
    (tmp_path / "junk_stats.pkl").write_bytes(b"junk")
    with pytest.raises(ValueError, match=r"junk\.pth"):
        bipedal.load_model(tmp_path / "junk.pth")
    for wrong in (torch.zeros(24), torch.zeros(3, 23), torch.zeros(1, 2, 24)):
        with pytest.raises(ValueError, match=r"observations \(N, 24\), not"):
            walker.act_batch(wrong)
    with pytest.raises(TypeError, match="torch tensor, not ndarray"):
        walker.act_batch(np.zeros((3, 24), dtype=np.float32))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 1"):
        bipedal.evaluate(walker, episodes=0)
    with pytest.raises(ValueError, match="unknown environment"):
        bipedal.evaluate(walker, "CartPole-v1")
    with pytest.raises(ValueError, match="--seed"):
        bipedal.analyse_gait(walker, seed=-1)
    with pytest.raises(ValueError, match=r"\.mp4 or \.gif"):
        bipedal.record(walker, tmp_path / "walk.avi")
    for make in (bipedal.make, bipedal.make_vec):
        with pytest.raises(ValueError, match="unknown environment"):
            make("CartPole-v1")


@pytest.mark.parametrize("function", [bipedal.evaluate, bipedal.analyse_gait])
def test_a_name_is_no_policy(function: object) -> None:
    assert callable(function)
    with pytest.raises(TypeError, match="not str: load_model reads a policy"):
        function("pretrained:walker")


def test_wrong_arguments_of_training(tiny_config: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown preset 'fast': choose one of default"):
        bipedal.train("fast", tmp_path / "run")
    with pytest.raises(TypeError, match="learning_rate"):
        bipedal.train(tiny_config, tmp_path / "run", learning_rate=1.0)
    with pytest.raises(ValueError, match="--gamma"):
        bipedal.train(tiny_config, tmp_path / "run", gamma=2.0)
    with pytest.raises(ValueError, match="no run to resume"):
        bipedal.train(run_dir=tmp_path / "run", resume=True)
    with pytest.raises(ValueError, match="run_dir"):
        bipedal.train(resume=True)
    assert not (tmp_path / "run").exists()


def test_a_job_that_cannot_go_on_is_a_runtime_error(
    walker: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> str:
        raise OSError("there is no ffmpeg here")

    monkeypatch.setattr("bipedal.report.video._find_ffmpeg", refuse)
    with pytest.raises(RuntimeError, match="no ffmpeg"):
        bipedal.record(walker, tmp_path / "walk.mp4", max_seconds=0.1)


def test_every_public_name_is_there() -> None:
    for name in bipedal.__all__:
        assert name in dir(bipedal)
        assert getattr(bipedal, name).__doc__, name


def test_every_function_says_what_it_takes_and_raises() -> None:
    for name in ("load_model", "evaluate", "record", "train", "make", "make_vec", "analyse_gait"):
        function = getattr(bipedal, name)
        code = function.__wrapped__.__code__
        for argument in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
            assert f"        {argument}: " in function.__doc__, (name, argument)
        assert "Raises:" in function.__doc__, name


def test_the_help_of_training_is_in_the_configuration() -> None:
    assert dataclasses.is_dataclass(bipedal.TrainConfig)
    assert bipedal.TrainConfig().preset == "default"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'loadmodel'"):
        bipedal.loadmodel  # noqa: B018


def run_python(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_it_imports_nothing_heavy() -> None:
    run_python(
        "import bipedal, sys;"
        "assert not {'torch', 'warp', 'Box2D', 'numpy', 'gymnasium'} & set(sys.modules)"
    )


def test_importing_it_leaves_signals_and_the_search_for_modules_alone() -> None:
    run_python(
        "import signal, sys\n"
        "before = signal.getsignal(signal.SIGINT)\n"
        "finders = list(sys.meta_path)\n"
        "import bipedal, gymnasium\n"
        "assert signal.getsignal(signal.SIGINT) is before\n"
        "assert sys.meta_path == finders"
    )


@pytest.mark.parametrize(
    "imports",
    [
        "import bipedal, gymnasium",
        "import gymnasium, bipedal",
        "import bipedal.engines.registration, gymnasium",
        "import bipedal, gymnasium.envs.registration",
        "import bipedal.engines.env, gymnasium",
    ],
)
def test_gymnasium_knows_the_environments_whichever_is_imported_first(imports: str) -> None:
    assert run_python(f"{imports}; print(gymnasium.spec('bipedal/BipedalWalker-v3').id)") == (
        "bipedal/BipedalWalker-v3\n"
    )
