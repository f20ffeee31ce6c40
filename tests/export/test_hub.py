"""A shared model: its folder, its card and its upload."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from commands import Captured, asked, assert_refused

from bipedal import cli
from bipedal.checkpoint import load_model
from bipedal.commands import models
from bipedal.config import TrainConfig
from bipedal.export.hub import training_command
from bipedal.presets import PRESETS

pytestmark = pytest.mark.usefixtures("empty_directory")


@pytest.fixture(autouse=True)
def short_film(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "HUB_SECONDS", 0.1)


def test_a_dry_run_writes_the_folder(capsys: Captured, tiny_run: Path) -> None:
    arguments = ["push", str(tiny_run), "me/walker", "--dry-run", "--episodes", "5"]
    assert cli.main(arguments) == 0
    folder = Path("runs/shared/walker")
    assert capsys.readouterr().out == f"{folder}\n"
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "README.md", "model.safetensors", "replay.mp4", "score.json", "config.json",
    }  # fmt: skip
    score = json.loads((folder / "score.json").read_text())
    low, high = score["interval_return"]
    text = (folder / "README.md").read_text()
    for part in (
        f"mean return | {score['mean_return']:.1f}, 95 % interval {low:.1f} to {high:.1f} |",
        "5, those of seeds 0 to 4",
        f"| class | {score['gait']['class']} |",
        "bipedal train --preset default --total-timesteps 384 --seed 0",
        "| torch | ",
        f"value: {score['mean_return']:.2f} +/- {score['std_return']:.2f}",
    ):
        assert part in text, part
    assert load_model(folder / "model.safetensors").info["timesteps"] == 384
    assert "is there already" in assert_refused(capsys, *arguments)


def test_a_model_without_a_run_has_no_command(model_path: Path) -> None:
    arguments = ["--dry-run", "--episodes", "1", "--out", "here"]
    assert cli.main(["push", str(model_path), "me/walker", *arguments]) == 0
    assert "bipedal train" not in Path("here/README.md").read_text()
    assert not Path("here/config.json").exists()


@pytest.mark.parametrize("repo", ["walker", "me/", "me/a/b", "me/../x y", "https://x/y"])
def test_what_names_no_repository_is_refused(capsys: Captured, model_path: Path, repo: str) -> None:
    assert "OWNER/NAME" in assert_refused(capsys, "push", model_path, repo, "--dry-run")


def pretend_hub(monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> list[Any]:
    """Stand in for huggingface_hub; returns what it is asked."""
    calls: list[Any] = []

    class HfApi:
        def create_repo(self, repo: str, *, exist_ok: bool) -> str:
            if error is not None:
                raise error
            calls.append((repo, exist_ok))
            return f"hub:{repo}"

        def upload_folder(self, *, repo_id: str, folder_path: Path) -> None:
            calls.append((repo_id, sorted(path.name for path in folder_path.iterdir())))

    module = ModuleType("huggingface_hub")
    module.HfApi = HfApi  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return calls


def test_a_folder_is_uploaded_whole(
    capsys: Captured, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = pretend_hub(monkeypatch)
    assert cli.main(["push", str(model_path), "me/walker", "--episodes", "1"]) == 0
    assert capsys.readouterr().out == "hub:me/walker\n"
    (made, (repo, names)) = calls
    assert (made, repo) == (("me/walker", True), "me/walker")
    assert {"README.md", "model.safetensors", "replay.mp4"} <= set(names)


def test_an_upload_that_fails_is_a_failed_job(
    capsys: Captured, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_hub(monkeypatch, ValueError("401 Unauthorized\nmore"))
    request = ["push", str(model_path), "me/walker", "--episodes", "1"]
    says = assert_refused(capsys, *request, code=1)
    assert "runs/shared/walker is written" in says and "401 Unauthorized" in says
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "pip install" in assert_refused(capsys, *request, "--out", "other")


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("preset", PRESETS)
def test_the_command_of_a_configuration_starts_it_again(preset: str) -> None:
    config = dataclasses.replace(
        PRESETS[preset],
        seed=7,
        hidden_sizes=(8, 16),
        layer_norm=False,
        initial_log_std=-1.5,
        init_from="runs/my run",
        std_min=0.05,
    )
    words = shlex.split(training_command(config))
    assert words[:2] == ["bipedal", "train"]
    assert asked(*words[2:]).config == config
    assert isinstance(config, TrainConfig)
