"""`bipedal train`: presets, options, run directories, resuming, exit codes."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import signal
from pathlib import Path

import pytest
import torch
from commands import Captured, asked, assert_refused

from bipedal import cli, session
from bipedal.config import TrainConfig
from bipedal.errors import RunFailedError
from bipedal.presets import PRESETS, STARTS

pytestmark = pytest.mark.usefixtures("empty_directory")


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.usefixtures("no_training")
def test_a_preset_sets_the_defaults_and_options_change_them(preset: str) -> None:
    start = ["--init-from", "pretrained:walker"] if preset in STARTS else []
    expected = PRESETS[preset]
    if start:
        expected = dataclasses.replace(expected, init_from="pretrained:walker")
    assert asked("--preset", preset, *start).config == expected
    options = ["--epochs", "3", "--preset", preset, "--hidden-sizes", "5", "6", *start]
    changed = asked(*options).config
    assert (changed.preset, changed.epochs, changed.hidden_sizes) == (preset, 3, (5, 6))


@pytest.mark.usefixtures("no_training")
def test_an_option_that_is_on_or_off_can_be_given_either_way() -> None:
    assert asked("--endless-course").config.endless_course
    assert not asked("--preset", "hardcore", "--no-endless-course").config.endless_course
    assert asked("--layer-norm", "--no-stop-when-solved").config == dataclasses.replace(
        PRESETS["default"], stop_when_solved=False
    )


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("text", ["-1e9", "-1000000000", "-1_000_000_000"])
def test_a_number_may_be_negative(text: str) -> None:
    assert asked("--evaluation-min-return", text).config.evaluation_min_return == -1e9


@pytest.mark.usefixtures("no_training")
def test_options_may_be_written_with_an_equals_sign_or_underscores() -> None:
    trained = asked("--preset=seed", "--run_dir=here", "--total_timesteps=7", "--no-layer-norm")
    assert trained.run_dir == Path("here")
    assert trained.config.total_timesteps == 7
    assert not trained.config.layer_norm
    assert trained.config.rollout_steps == PRESETS["seed"].rollout_steps


@pytest.mark.usefixtures("no_training")
def test_a_new_run_gets_a_name_that_is_not_taken() -> None:
    first = asked("--seed", "3").run_dir
    assert first == Path("runs/BipedalWalker-v3-default-seed3")
    first.mkdir(parents=True)
    assert asked("--seed", "3").run_dir == Path("runs/BipedalWalker-v3-default-seed3-2")


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_a_gpu_that_is_not_there(capsys: Captured) -> None:
    assert "no GPU" in assert_refused(capsys, "train", "--device", "cuda", "--run-dir", "run")
    assert not Path("run/config.json").exists()


# Run directories ---------------------------------------------------------------------------------


def test_a_directory_that_holds_a_run_is_not_overwritten(capsys: Captured, run: Path) -> None:
    before = (run / "config.json").read_bytes()
    sentence = assert_refused(capsys, "train", "--run-dir", run)
    assert "--resume" in sentence
    assert (run / "config.json").read_bytes() == before


@pytest.mark.parametrize("place", ["file/run", "file", "/proc/x", "/dev/full/run", "/dev/full"])
def test_a_directory_that_cannot_be_written(capsys: Captured, place: str) -> None:
    Path("file").write_text("")
    assert place in assert_refused(capsys, "train", "--run-dir", place)


def test_a_run_directory_of_an_impossible_name(capsys: Captured) -> None:
    assert_refused(capsys, "train", "--run-dir", "x" * 300)


@pytest.mark.parametrize(
    "change",
    [
        ["--seed", "5"],
        ["--preset", "seed"],
        ["--preset", "nope"],
        ["--hidden-sizes", "9"],
        ["--env-id", "BipedalWalkerHardcore-v3"],
        ["--no-layer-norm"],
    ],
)
def test_resuming_cannot_change_a_setting(capsys: Captured, run: Path, change: list[str]) -> None:
    before = (run / "config.json").read_bytes()
    sentence = assert_refused(capsys, "train", "--resume", "--run-dir", run, *change)
    assert "cannot change" in sentence
    assert (run / "config.json").read_bytes() == before


@pytest.mark.parametrize("value", ["0", "-1"])
def test_resuming_needs_a_sensible_length(capsys: Captured, run: Path, value: str) -> None:
    assert "--total-timesteps" in assert_refused(
        capsys, "train", "--resume", "--run-dir", run, "--total-timesteps", value
    )


@pytest.mark.usefixtures("no_training", "run")
def test_resuming_without_a_directory_takes_the_latest_run(tiny_config: TrainConfig) -> None:
    trained = asked("--resume")
    assert trained.resume
    assert trained.run_dir == Path("runs/tiny")
    assert trained.config == tiny_config
    assert asked("--resume", "--total-timesteps", "999").config.total_timesteps == 999


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"config": {}}', '{"config": []}', '{"config": null}', "\xff"],
)
def test_a_damaged_configuration_cannot_be_resumed(capsys: Captured, run: Path, text: str) -> None:
    (run / "config.json").write_bytes(text.encode("latin1"))
    assert_refused(capsys, "train", "--resume", "--run-dir", run)


@pytest.mark.parametrize(
    ("field", "value"),
    [("num_envs", "two"), ("gamma", None), ("hidden_sizes", 3), ("seed", 1.5), ("preset", 1)],
)
def test_a_configuration_with_a_wrong_type_cannot_be_resumed(
    capsys: Captured, run: Path, field: str, value: object
) -> None:
    data = json.loads((run / "config.json").read_text())
    data["config"][field] = value
    (run / "config.json").write_text(json.dumps(data))
    assert_refused(capsys, "train", "--resume", "--run-dir", run)


@pytest.mark.parametrize("contents", [b"", b"junk", pickle.dumps({"iteration": 3})])
def test_a_damaged_state_cannot_be_resumed(capsys: Captured, run: Path, contents: bytes) -> None:
    (run / "saved_models" / "resume.pt").write_bytes(contents)
    assert "resume.pt" in assert_refused(
        capsys, "train", "--resume", "--run-dir", run, "--total-timesteps", "500"
    )


def test_a_run_is_trained_scored_and_gone_on_with(capsys: Captured) -> None:
    # A name that rich would take for markup and an emoji.
    where = Path("[/bold] :smile: run")
    options = [
        "--num-envs", "1", "--rollout-steps", "64", "--minibatch-size", "64", "--epochs", "1",
        "--hidden-sizes", "4", "--evaluation-episodes", "1", "--final-episodes", "1",
    ]  # fmt: skip
    arguments = ["train", "--preset", "hardcore", "--run-dir", str(where), *options]
    arguments += ["--total-timesteps", "64"]
    assert cli.main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"next: bipedal report '{where}'" in captured.err
    assert f"bipedal train --preset hardcore-careful --init-from '{where}'" in captured.err
    assert "best model: mean return" in captured.err
    assert "starting from" not in captured.err
    assert cli.main(["train", "--resume", "--run-dir", str(where), "--total-timesteps", "128"]) == 0
    assert capsys.readouterr().err.startswith(f"going on with {where}: BipedalWalkerHardcore-v3")
    rows = (where / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["iteration", "1", "2"]

    capsys.readouterr()
    careful = ["--preset", "hardcore-careful", "--init-from", str(where), *options]
    arguments = ["train", *careful, "--run-dir", "careful", "--total-timesteps", "64"]
    assert cli.main(arguments) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == (
        "training BipedalWalkerHardcore-v3, preset hardcore-careful, seed 0, starting from "
        f"{where}; Ctrl-C stops and saves"
    )
    assert lines[-2] == "next: bipedal report careful"
    assert lines[-1].endswith("train --preset hardcore-polish --init-from careful")


def test_a_failed_job_is_exit_code_1(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RunFailedError("the disk\nis full")

    monkeypatch.setattr(session, "train_and_score", fail)
    assert_refused(capsys, "train", code=1)


def test_an_interrupt_is_exit_code_130(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "train_and_score", interrupt)
    assert_refused(capsys, "train", code=128 + signal.SIGINT)


def test_an_error_of_the_system_is_one_sentence(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "/root/x")

    monkeypatch.setattr(session, "train_and_score", fail)
    monkeypatch.setattr(os, "dup2", lambda *_: None)
    assert "/root/x" in assert_refused(capsys, "train", code=1)


def test_a_quiet_training_says_nothing(capsys: Captured, tmp_path: Path) -> None:
    budget = "--num-envs 1 --rollout-steps 64 --minibatch-size 64 --epochs 1 --total-timesteps 64"
    options = [*budget.split(), "--evaluation-episodes", "1", "--final-episodes", "0"]
    assert cli.main(["train", "--quiet", "--run-dir", str(tmp_path / "run"), *options]) == 0
    assert capsys.readouterr() == ("", "")
    assert "already holds a run" in assert_refused(
        capsys, "train", "--quiet", "--run-dir", tmp_path / "run", *options
    )
    assert cli.main(["train", "--run-dir", str(tmp_path / "loud"), *options]) == 0
    assert "next: " in capsys.readouterr().err


@pytest.mark.usefixtures("no_training")
def test_a_tracker_is_passed_on() -> None:
    assert asked("--log-to", "trackio").log_to == "trackio"
    assert asked().log_to is None
