"""Experiment trackers, with a package that is made up: none is installed for the tests."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest
from test_training_loop import TOY, read_rows

from bipedal import cli
from bipedal.errors import UserError
from bipedal.trackers import IDENTITY
from bipedal.training_loop import train

CONFIG = replace(TOY, total_timesteps=3 * 256, evaluation_interval=2, evaluation_min_return=-1e9)


class FakeRun:
    """What `init` of both packages returns."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, dict[str, float]]] = []
        self.finished = 0
        self.broken = False

    def log(self, values: dict[str, float], step: int) -> None:
        if self.broken:
            raise ConnectionError("no way through")
        self.rows.append((step, values))

    def finish(self) -> None:
        self.finished += 1


class FakePackage(ModuleType):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.begun: list[dict[str, Any]] = []
        self.run = FakeRun()

    def init(self, **settings: Any) -> FakeRun:
        self.begun.append(settings)
        return self.run


@pytest.fixture(params=["wandb", "trackio"])
def package(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FakePackage:
    package = FakePackage(request.param)
    monkeypatch.setitem(sys.modules, request.param, package)
    return package


def name_of(package: FakePackage) -> Literal["wandb", "trackio"]:
    return "wandb" if package.__name__ == "wandb" else "trackio"


def test_a_tracker_gets_what_the_tables_get(package: FakePackage, tmp_path: Path) -> None:
    run_dir = tmp_path / "my run, \u00e9"
    train(CONFIG, run_dir, log_to=name_of(package))
    (settings,) = package.begun
    assert settings["project"] == "bipedal"
    assert settings["config"]["num_envs"] == CONFIG.num_envs
    metrics = read_rows(run_dir / "metrics.csv")
    logged = {step: values for step, values in package.run.rows if "charts/SPS" in values}
    assert list(logged) == [int(row["timesteps"]) for row in metrics] == [256, 512, 768]
    for row in metrics:
        values = logged[int(row["timesteps"])]
        assert math.isclose(values["losses/value_loss"], float(row["losses/value_loss"]))
    evaluated = [step for step, values in package.run.rows if "evaluation/mean_return" in values]
    assert evaluated == [int(row["timesteps"]) for row in read_rows(run_dir / "evaluations.csv")]
    assert package.run.finished == 1


def test_a_run_that_is_resumed_goes_on_there(package: FakePackage, tmp_path: Path) -> None:
    name = name_of(package)
    train(CONFIG, tmp_path, should_stop=lambda: True, log_to=name)
    train(CONFIG, tmp_path, resume=True, log_to=name)
    identity = "id" if name == "wandb" else "name"
    first, second = package.begun
    assert first[identity] == second[identity] == (tmp_path / IDENTITY).read_text()
    assert first["resume"] == "allow"
    steps = [step for step, values in package.run.rows if "charts/SPS" in values]
    assert steps == [256, 512, 768]


def test_an_identity_from_elsewhere_is_not_believed(package: FakePackage, tmp_path: Path) -> None:
    name = name_of(package)
    train(CONFIG, tmp_path, should_stop=lambda: True, log_to=name)
    (tmp_path / IDENTITY).write_text("../../other#run")
    train(CONFIG, tmp_path, resume=True, log_to=name)
    assert "#" not in package.begun[1]["id" if name == "wandb" else "name"]


def test_training_goes_on_without_a_tracker_that_fails(
    package: FakePackage, tmp_path: Path
) -> None:
    package.run.broken = True
    with pytest.warns(UserWarning, match="goes on without .*no way through") as warned:
        outcome = train(CONFIG, tmp_path, log_to=name_of(package))
    assert outcome.finished
    assert len(warned) == 1


def test_a_tracker_that_does_not_begin_leaves_no_run(
    package: FakePackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**settings: Any) -> None:
        raise PermissionError("log in first")

    monkeypatch.setattr(package, "init", refuse)
    name = name_of(package)
    with pytest.raises(UserError, match=f"--log-to {name}: log in first"):
        train(CONFIG, tmp_path / "run", log_to=name)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_missing_package_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, name, None)
    assert cli.main(["train", "--log-to", name]) == 2
    assert (
        f"--log-to {name} needs the package {name}: pip install {name}" in capsys.readouterr().err
    )
    assert list(tmp_path.iterdir()) == []
