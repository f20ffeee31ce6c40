"""An empty directory, a saved model, a finished run, and training that is only pretended."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from commands import Trained

from bipedal import session
from bipedal.checkpoint import save_model
from bipedal.config import TrainConfig
from bipedal.policy import Policy


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def saved(tmp_path: Path, model: Policy) -> Path:
    path = tmp_path / "walker.pth"
    save_model(path, model)
    return path


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands parse as ever, but ``train`` only says what it would do."""

    def pretend(config: TrainConfig, run_dir: Path, *, resume: bool) -> None:
        raise Trained(config, run_dir, resume)

    monkeypatch.setattr(session, "train_and_score", pretend)


@pytest.fixture
def run(tmp_path: Path, tiny_run: Path) -> Path:
    """A copy of a finished run."""
    return Path(shutil.copytree(tiny_run, tmp_path / "runs" / "tiny"))
