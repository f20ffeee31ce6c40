"""What several test files share: a small model, a very short run, engines that are closed."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import Trained
from numpy_engine import NumpyEngine

from bipedal import checkpoint, ppo, session
from bipedal.checkpoint import save_model
from bipedal.config import TrainConfig
from bipedal.engines.reference import NO_BOX2D, check_box2d
from bipedal.engines.warp import WarpEngine, quiet_warp
from bipedal.errors import UserError
from bipedal.fused import episodes
from bipedal.networks import Activation, Actor, Critic
from bipedal.normalizer import ObservationNormalizer
from bipedal.physics.robot import make_robot
from bipedal.policy import Policy
from bipedal.presets import DEFAULT
from bipedal.walker import ACTION_DIM, ENV_IDS, OBSERVATION_DIM

ModelMaker = Callable[..., Policy]

for _number, _answer in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) == signal.SIG_IGN:
        # Whoever runs the tests in the background, or under nohup, has them ignored, which the
        # processes that tests start would inherit.
        signal.signal(_number, _answer)

torch.set_num_threads(1)  # as in training; a second thread costs more than it gives at these sizes

TINY = dataclasses.replace(
    DEFAULT,
    total_timesteps=384,
    num_envs=1,
    rollout_steps=128,
    minibatch_size=64,
    epochs=1,
    hidden_sizes=(8, 8),
    checkpoint_interval=2,
    evaluation_interval=2,
    evaluation_episodes=1,
    evaluation_min_return=-1e9,
    final_episodes=0,
)
"""A configuration that trains in a second or two, in this process."""


def has_box2d() -> bool:
    try:
        check_box2d()
    except UserError:
        return False
    return True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that compare with Gymnasium's own walker are skipped where it cannot be had."""
    if not has_box2d():
        for item in items:
            if "reference" in item.keywords:
                item.add_marker(pytest.mark.skip(reason=NO_BOX2D))


@pytest.fixture(scope="session", autouse=True)
def logs_of_stable_baselines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Its learners make a folder for their log, even where they log nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SB3_LOGDIR", str(tmp_path_factory.mktemp("logs")))
        yield


@pytest.fixture(scope="session")
def tiny_config() -> TrainConfig:
    return TINY


@pytest.fixture(scope="session")
def make_model() -> ModelMaker:
    """A maker of models with random weights and statistics that differ in every number."""

    def make(
        hidden_sizes: tuple[int, ...] = (8, 8),
        *,
        activation: Activation = "relu",
        layer_norm: bool = True,
        seed: int = 0,
    ) -> Policy:
        generator = torch.Generator().manual_seed(seed)
        actor = Actor(
            OBSERVATION_DIM,
            ACTION_DIM,
            hidden_sizes=hidden_sizes,
            activation=activation,
            layer_norm=layer_norm,
        )
        critic = Critic(
            OBSERVATION_DIM, hidden_sizes=hidden_sizes, activation=activation, layer_norm=layer_norm
        )
        normalizer = ObservationNormalizer((OBSERVATION_DIM,))
        with torch.no_grad():
            for parameter in (*actor.parameters(), *critic.parameters()):
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
            actor.log_std.copy_(torch.rand(ACTION_DIM, generator=generator) - 2.0)
        for scale in (1.0, 3.0):
            batch = torch.randn((100, OBSERVATION_DIM), generator=generator, dtype=torch.float64)
            normalizer.update(scale * batch + torch.arange(OBSERVATION_DIM) / 10)
        info = {"env_id": "BipedalWalker-v3", "preset": "default", "seed": seed, "iteration": 7}
        return Policy(actor, critic, normalizer, info=info)

    return make


@pytest.fixture
def model(make_model: ModelMaker) -> Policy:
    """A 24-8-8-4 policy and its critic."""
    return make_model()


@pytest.fixture
def model_path(tmp_path: Path, model: Policy) -> Path:
    """A sound model on disk."""
    path = tmp_path / "walker.pth"
    save_model(path, model)
    return path


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader whose files do not fit together reads them once more, without a wait."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr(checkpoint, "READ_ATTEMPTS", 2)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a finished run of 384 timesteps; copy it before changing it."""
    from bipedal.training_loop import train

    run_dir = tmp_path_factory.mktemp("runs") / "tiny"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert train(TINY, run_dir).finished
    return run_dir


@pytest.fixture
def run(tmp_path: Path, tiny_run: Path) -> Path:
    """A copy of a finished run."""
    return Path(shutil.copytree(tiny_run, tmp_path / "runs" / "tiny"))


@pytest.fixture
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where commands are run, so that relative paths end up nowhere else."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that nobody may look into, not even root."""
    look = os.stat

    def refuse(path: Any, **options: Any) -> os.stat_result:
        if str(path).startswith(str(tmp_path)):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return look(path, **options)

    monkeypatch.setattr(os, "stat", refuse)
    return tmp_path


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands parse as ever, but ``train`` only says what it would do."""

    def pretend(
        config: TrainConfig, run_dir: Path, *, resume: bool, log_to: str | None = None
    ) -> None:
        raise Trained(config, run_dir, resume, log_to)

    monkeypatch.setattr(session, "train_and_score", pretend)


EngineMaker = Callable[..., NumpyEngine]


@pytest.fixture(scope="session")
def robot() -> Any:
    """The constants of the robot, as kernels take them."""
    quiet_warp()
    return make_robot("cpu")


@pytest.fixture
def make_engine() -> Iterator[EngineMaker]:
    """A maker of engines with numpy arrays, which are closed after the test."""
    with ExitStack() as stack:

        def make(
            env_id: str = ENV_IDS[0],
            num_envs: int = 4,
            seed: int | Sequence[int] = 7,
            *,
            threads: int = 1,
        ) -> NumpyEngine:
            engine = WarpEngine(env_id, num_envs, seed, threads=threads)
            return NumpyEngine(stack.enter_context(closing(engine)))

        yield make


@pytest.fixture
def without_native_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training takes PyTorch's way, as on a GPU."""
    for module in (ppo, episodes):
        monkeypatch.setattr(module, "supports", lambda _: False)
