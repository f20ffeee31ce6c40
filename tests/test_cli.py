"""The command line: exit codes, one sentence for a mistake, nothing but JSON where it is asked."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bipedal import cli, session
from bipedal.checkpoint import save_model, statistics_path
from bipedal.config import TrainConfig
from bipedal.errors import RunFailedError
from bipedal.policy import Policy
from bipedal.presets import PRESETS

COMMANDS = ["train", "evaluate", "record", "report", "info"]
EVALUATION_KEYS = {
    "env_id", "episodes", "seed", "mean_return", "std_return", "min_return", "max_return",
    "solved", "fall_rate", "mean_length", "mean_speed", "gait",
}  # fmt: skip

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def saved(tmp_path: Path, model: Policy) -> Path:
    path = tmp_path / "walker.pth"
    save_model(path, model)
    return path


class Trained(Exception):  # noqa: N818
    """Instead of training."""

    def __init__(self, config: TrainConfig, run_dir: Path, resume: bool) -> None:
        super().__init__()
        self.config, self.run_dir, self.resume = config, run_dir, resume


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands parse as ever, but ``train`` only says what it would do."""

    def pretend(config: TrainConfig, run_dir: Path, *, resume: bool) -> None:
        raise Trained(config, run_dir, resume)

    monkeypatch.setattr(session, "train_and_score", pretend)


def asked(*arguments: str) -> Trained:
    """What ``bipedal train`` with these arguments would do."""
    with pytest.raises(Trained) as caught:
        cli.main(["train", *arguments])
    return caught.value


def assert_one_sentence(stderr: str) -> str:
    assert stderr.startswith("bipedal: "), stderr
    assert stderr.count("\n") == 1, stderr
    assert stderr.endswith("\n")
    assert "Traceback" not in stderr
    assert stderr[:-1].isprintable()
    return stderr


def assert_refused(capsys: Captured, *arguments: str | Path, code: int = 2) -> str:
    """The request is refused with one sentence, nothing on standard output; returns it."""
    capsys.readouterr()
    assert cli.main([str(argument) for argument in arguments]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    return assert_one_sentence(captured.err)


def run_bipedal(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bipedal.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


# Help --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_is_on_standard_output(capsys: Captured, command: str | None, flag: str) -> None:
    assert cli.main([command, flag] if command else [flag]) == 0
    captured = capsys.readouterr()
    assert "usage: bipedal" in captured.out
    assert captured.err == ""


def test_without_arguments_there_is_help(capsys: Captured) -> None:
    assert cli.main([]) == 0
    assert "usage: bipedal" in capsys.readouterr().out


def test_help_lists_every_command_and_every_option_of_training(capsys: Captured) -> None:
    cli.main(["--help"])
    usage = capsys.readouterr().out
    assert all(command in usage for command in COMMANDS)
    cli.main(["train", "--help"])
    text = capsys.readouterr().out
    for option in ("--preset", "--env-id", "--engine", "--total-timesteps", "--seed", "--run-dir",
                   "--device", "--init-from", "--resume", "--no-layer-norm"):  # fmt: skip
        assert option in text


@pytest.mark.parametrize("others", [["--resume"], ["--preset", "seed"], ["--run-dir", "/proc/x"]])
def test_help_is_given_whatever_else_is_asked(capsys: Captured, others: list[str]) -> None:
    assert cli.main(["train", *others, "--help"]) == 0
    assert "usage: bipedal train" in capsys.readouterr().out


def test_help_shows_the_defaults_of_the_preset(capsys: Captured) -> None:
    cli.main(["train", "--preset", "seed", "--help"])
    assert "(default: 256 256)" in capsys.readouterr().out


# Requests that are wrong -------------------------------------------------------------------------


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
        (["train", "--minibatch-size", "1000000"], "--minibatch-size 1000000 is larger"),
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


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.usefixtures("no_training")
def test_a_preset_sets_the_defaults_and_options_change_them(preset: str) -> None:
    assert asked("--preset", preset).config == PRESETS[preset]
    changed = asked("--epochs", "3", "--preset", preset, "--hidden-sizes", "5", "6").config
    assert (changed.preset, changed.epochs, changed.hidden_sizes) == (preset, 3, (5, 6))


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


@pytest.fixture
def run(tmp_path: Path, tiny_run: Path) -> Path:
    """A copy of a finished run."""
    return Path(shutil.copytree(tiny_run, tmp_path / "runs" / "tiny"))


def test_a_directory_that_holds_a_run_is_not_overwritten(capsys: Captured, run: Path) -> None:
    before = (run / "config.json").read_bytes()
    sentence = assert_refused(capsys, "train", "--run-dir", run)
    assert "--resume" in sentence
    assert (run / "config.json").read_bytes() == before


@pytest.mark.parametrize("place", ["file/run", "file", "/proc/x", "/dev/full/run", "/dev/full"])
def test_a_directory_that_cannot_be_written(capsys: Captured, place: str) -> None:
    Path("file").write_text("")
    assert place in assert_refused(capsys, "train", "--run-dir", place)


def test_version(capsys: Captured) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("bipedal 0.")


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


def test_a_run_is_trained_scored_and_gone_on_with(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "usable_cores", lambda: 1)
    # A name that rich would take for markup and an emoji.
    where = Path("[/bold] :smile: run")
    options = [
        "--num-envs", "1", "--rollout-steps", "64", "--minibatch-size", "64", "--epochs", "1",
        "--hidden-sizes", "4", "--evaluation-episodes", "1", "--final-episodes", "1",
    ]  # fmt: skip
    arguments = ["train", "--run-dir", str(where), "--total-timesteps", "64", *options]
    assert cli.main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"next: bipedal report {where}" in captured.err
    assert "best model: mean return" in captured.err
    assert cli.main(["train", "--resume", "--run-dir", str(where), "--total-timesteps", "128"]) == 0
    rows = (where / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["iteration", "1", "2"]


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


# Models ------------------------------------------------------------------------------------------


def strict_json(text: str) -> Any:
    """Parse, but refuse NaN and Infinity, which JSON does not have."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("statistics", ["saved", "none", "fresh"])
def test_an_evaluation_is_one_json_object(capsys: Captured, saved: Path, statistics: str) -> None:
    arguments = ["--episodes", "1", "--seed", "5", "--statistics", statistics, "--json"]
    assert cli.main(["evaluate", str(saved), *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1
    result = strict_json(captured.out)
    assert result.keys() >= EVALUATION_KEYS
    assert result["env_id"] == "BipedalWalker-v3"
    assert (result["episodes"], result["seed"]) == (1, 5)
    assert result["min_return"] == result["mean_return"] == result["max_return"]
    assert result["solved"] is False
    assert isinstance(result["gait"]["class"], str)


def test_an_evaluation_is_the_same_the_second_time_and_on_all_cores(
    capsys: Captured, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["evaluate", str(saved), "--episodes", "2", "--json"]
    monkeypatch.setattr("bipedal.engines.gymnasium.usable_cores", lambda: 1)
    assert cli.main(arguments) == 0
    alone = strict_json(capsys.readouterr().out)
    assert alone["episodes"] == 2
    done = run_bipedal(*arguments)
    assert done.returncode == 0
    assert strict_json(done.stdout) == alone


def test_an_evaluation_may_be_read_by_people(capsys: Captured, saved: Path) -> None:
    assert cli.main(["evaluate", str(saved), "--episodes", "1"]) == 0
    assert "mean_return" in capsys.readouterr().out


def test_a_run_can_be_evaluated_and_described(capsys: Captured, tiny_run: Path) -> None:
    for arguments in (["evaluate", "--episodes", "1"], ["info"]):
        assert cli.main([*arguments, str(tiny_run), "--json"]) == 0
        assert strict_json(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--episodes", "0"], "--episodes"),
        (["--episodes", "-3"], "--episodes"),
        (["--seed", "-1"], "--seed"),
        (["--seed", str(2**31)], "--seed"),
        (["--env-id", "CartPole-v1"], "CartPole-v1"),
    ],
)
@pytest.mark.parametrize("json_flag", [[], ["--json"]])
def test_an_evaluation_that_makes_no_sense(
    capsys: Captured, saved: Path, options: list[str], says: str, json_flag: list[str]
) -> None:
    assert says in assert_refused(capsys, "evaluate", saved, *options, *json_flag)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--out", "a.avi"], ".mp4 or .gif"),
        (["--out", "a"], ".mp4 or .gif"),
        (["--out", "file/a.mp4"], "file"),
        (["--out", "/proc/x/a.gif"], "/proc/x"),
        (["--out", "a.mp4", "--seed", "-1"], "--seed"),
        (["--out", "a.mp4", "--env-id", "CartPole-v1"], "CartPole-v1"),
        (["--out", "a.mp4", "--max-seconds", "0"], "0"),
        (["--out", "a.mp4", "--max-seconds", "nan"], "nan"),
    ],
)
def test_a_recording_that_makes_no_sense(
    capsys: Captured, saved: Path, options: list[str], says: str
) -> None:
    Path("file").write_text("")
    assert says in assert_refused(capsys, "record", saved, *options)
    assert not list(Path().glob("a*"))


def test_a_recording_says_on_standard_error_what_it_recorded(capsys: Captured, saved: Path) -> None:
    assert cli.main(["record", str(saved), "--out", "a.gif", "--max-seconds", "0.1"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "a.gif: return" in captured.err
    assert Path("a.gif").read_bytes().startswith(b"GIF8")


def test_missing_statistics(capsys: Captured, saved: Path) -> None:
    statistics_path(saved).unlink()
    assert "walker_stats.pkl" in assert_refused(capsys, "evaluate", saved)
    assert "walker_stats.pkl" in assert_refused(capsys, "record", saved, "--out", "a.mp4")
    assert cli.main(["evaluate", str(saved), "--statistics", "none", "--episodes", "1"]) == 0
    capsys.readouterr()
    assert cli.main(["info", str(saved), "--json"]) == 0
    assert strict_json(capsys.readouterr().out)["statistics"] == "missing"


@pytest.mark.parametrize("command", ["evaluate", "info", "record"])
@pytest.mark.parametrize("damage", [b"", b"junk", b"PK\x03\x04junk"])
def test_damaged_files(capsys: Captured, saved: Path, command: str, damage: bytes) -> None:
    more = ["--out", "a.mp4"] if command == "record" else []
    saved.write_bytes(damage)
    assert "walker.pth" in assert_refused(capsys, command, saved, *more)


@pytest.mark.parametrize("env_id", [5, None, ["a"], "x\ny", torch.ones(2), {}])
def test_a_model_that_names_a_strange_environment(
    capsys: Captured, saved: Path, env_id: object
) -> None:
    contents = torch.load(saved, weights_only=True)
    torch.save({**contents, "env_id": env_id}, saved)
    for arguments in (
        ["evaluate", str(saved), "--episodes", "1"],
        ["record", str(saved), "--out", "a.gif", "--max-seconds", "0.1"],
    ):
        capsys.readouterr()
        code = cli.main(arguments)
        assert code in (0, 2)
        if code:
            assert_one_sentence(capsys.readouterr().err)
    capsys.readouterr()
    assert cli.main(["info", str(saved), "--json"]) == 0
    strict_json(capsys.readouterr().out)


def test_info_is_one_json_object_or_lines(capsys: Captured, saved: Path) -> None:
    assert cli.main(["info", str(saved), "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1
    assert captured.err == ""
    facts = strict_json(captured.out)
    assert facts["layers"] == "24-8-8-4"
    assert cli.main(["info", str(saved)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == facts.keys()


def test_a_report_of_a_run(capsys: Captured, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bipedal.report import report

    monkeypatch.setattr(report, "MAX_VIDEO_SECONDS", 0.1)
    assert cli.main(["report", str(run)]) == 0
    assert capsys.readouterr().out.strip() == str(run / "report.html")


# The process as a whole --------------------------------------------------------------------------


def test_a_mistake_ends_the_process_with_2_and_one_sentence() -> None:
    for arguments in (["train", "--nope"], ["info", "nowhere.pth"]):
        done = run_bipedal(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert_one_sentence(done.stderr)


def test_a_terminal_without_greek_letters_is_no_reason_to_fail() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = run_bipedal("train", "--help", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    done = run_bipedal("train", "--nope", env=environment)
    assert "--nope" in assert_one_sentence(done.stderr)


def test_a_reader_who_stops_early_is_no_error() -> None:
    command = [sys.executable, "-m", "bipedal.cli", "train", "--help"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writing)
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_results_that_cannot_be_written_are_a_failed_job() -> None:
    for arguments in (["--help"], ["evaluate", "--help"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "bipedal.cli", *arguments],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
            )
        assert done.returncode == 1
        assert "No space left" in assert_one_sentence(done.stderr)


def test_the_command_line_starts_without_torch() -> None:
    code = "import sys, bipedal, bipedal.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


# Anything at all ---------------------------------------------------------------------------------

OPTIONS = st.sampled_from(
    [
        *("--" + name.replace("_", "-") for name in TrainConfig.__dataclass_fields__),
        "--resume", "--run-dir", "--run_dir", "--json", "--out", "--episodes", "--statistics",
        "--help", "-h", "--", "-", "--no-layer-norm", "--no-resume", "--config.seed",
        "--max-seconds",
    ]
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        ["0", "-1", "1e400", "nan", "None", "True", "", "seed", "default", "cpu", "linear", "64",
         "BipedalWalker-v3", "nowhere.pth", "runs", "a.gif", "pretrained:x", "@file", "{x}", "[b]"]
    ),
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.integers().map(str),
    st.floats().map(str),
)  # fmt: skip
WORDS = st.one_of(
    OPTIONS, VALUES, st.builds("{}={}".format, OPTIONS, VALUES), st.sampled_from(COMMANDS)
)


@pytest.mark.usefixtures("no_training")
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.one_of(
        st.tuples(st.sampled_from(COMMANDS), st.lists(WORDS, max_size=6)).map(
            lambda pair: [pair[0], *pair[1]]
        ),
        st.lists(WORDS, max_size=3),
    )
)
def test_no_arguments_at_all_cause_a_traceback(capsys: Captured, arguments: list[str]) -> None:
    capsys.readouterr()
    try:
        code = cli.main(arguments)
    except Trained as trained:
        assert isinstance(trained.config, TrainConfig)
        return
    assert code in (0, 1, 2)
    captured = capsys.readouterr()
    if code:
        assert_one_sentence(captured.err)
    else:
        assert "usage" in captured.out
