"""Commands that read a model or a run: evaluate, record, info, report."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from commands import Captured, assert_one_sentence, assert_refused, run_bipedal, strict_json

from bipedal import cli
from bipedal.checkpoint import statistics_path

pytestmark = pytest.mark.usefixtures("empty_directory")

COMMANDS = ["train", "evaluate", "record", "report", "info"]
EVALUATION_KEYS = {
    "env_id", "episodes", "seed", "mean_return", "std_return", "min_return", "max_return",
    "solved", "fall_rate", "mean_length", "mean_speed", "gait",
}  # fmt: skip


@pytest.mark.parametrize("statistics", ["saved", "none", "fresh"])
def test_an_evaluation_is_one_json_object(
    capsys: Captured, model_path: Path, statistics: str
) -> None:
    arguments = ["--episodes", "1", "--seed", "5", "--statistics", statistics, "--json"]
    assert cli.main(["evaluate", str(model_path), *arguments]) == 0
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
    capsys: Captured, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["evaluate", str(model_path), "--episodes", "2", "--json"]
    monkeypatch.setattr("bipedal.engines.warp.usable_cores", lambda: 1)
    assert cli.main(arguments) == 0
    alone = strict_json(capsys.readouterr().out)
    assert alone["episodes"] == 2
    done = run_bipedal(*arguments)
    assert done.returncode == 0
    assert strict_json(done.stdout) == alone


@pytest.mark.reference
@pytest.mark.parametrize("statistics", ["saved", "fresh"])
def test_gymnasium_finds_the_same_returns(
    capsys: Captured, model_path: Path, statistics: str
) -> None:
    arguments = ["--episodes", "3", "--statistics", statistics, "--reference", "--json"]
    assert cli.main(["evaluate", str(model_path), *arguments]) == 0
    found = strict_json(capsys.readouterr().out)["reference"]
    assert found == {"episodes": 3, "identical": 3, "largest_difference": 0.0}


def test_without_box2d_there_is_no_reference(
    capsys: Captured, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("gymnasium.envs.box2d")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "Box2D", None)
    for arguments in (
        ["evaluate", model_path, "--reference"],
        ["train", "--engine", "gymnasium", "--run-dir", "run"],
        ["conformance", "BipedalWalker-v3"],
    ):
        says = assert_refused(capsys, *arguments)
        assert "needs Box2D" in says and "pip install" in says
    assert not Path("run").exists()
    assert cli.main(["evaluate", str(model_path), "--episodes", "1"]) == 0


def test_an_evaluation_may_be_read_by_people(capsys: Captured, model_path: Path) -> None:
    assert cli.main(["evaluate", str(model_path), "--episodes", "1"]) == 0
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
    capsys: Captured, model_path: Path, options: list[str], says: str, json_flag: list[str]
) -> None:
    assert says in assert_refused(capsys, "evaluate", model_path, *options, *json_flag)


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
    capsys: Captured, model_path: Path, options: list[str], says: str
) -> None:
    Path("file").write_text("")
    assert says in assert_refused(capsys, "record", model_path, *options)
    assert not list(Path().glob("a*"))


def test_a_recording_says_on_standard_error_what_it_recorded(
    capsys: Captured, model_path: Path
) -> None:
    assert cli.main(["record", str(model_path), "--out", "a.gif", "--max-seconds", "0.1"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "a.gif: return" in captured.err
    assert Path("a.gif").read_bytes().startswith(b"GIF8")


def test_missing_statistics(capsys: Captured, model_path: Path) -> None:
    statistics_path(model_path).unlink()
    assert "walker_stats.pkl" in assert_refused(capsys, "evaluate", model_path)
    assert "walker_stats.pkl" in assert_refused(capsys, "record", model_path, "--out", "a.mp4")
    assert cli.main(["evaluate", str(model_path), "--statistics", "none", "--episodes", "1"]) == 0
    capsys.readouterr()
    assert cli.main(["info", str(model_path), "--json"]) == 0
    assert strict_json(capsys.readouterr().out)["statistics"] == "missing"


@pytest.mark.parametrize("command", ["evaluate", "info", "record"])
@pytest.mark.parametrize("damage", [b"", b"junk", b"PK\x03\x04junk"])
def test_damaged_files(capsys: Captured, model_path: Path, command: str, damage: bytes) -> None:
    more = ["--out", "a.mp4"] if command == "record" else []
    model_path.write_bytes(damage)
    assert "walker.pth" in assert_refused(capsys, command, model_path, *more)


@pytest.mark.parametrize("env_id", [5, None, ["a"], "x\ny", torch.ones(2), {}])
def test_a_model_that_names_a_strange_environment(
    capsys: Captured, model_path: Path, env_id: object
) -> None:
    contents = torch.load(model_path, weights_only=True)
    torch.save({**contents, "env_id": env_id}, model_path)
    for arguments in (
        ["evaluate", str(model_path), "--episodes", "1"],
        ["record", str(model_path), "--out", "a.gif", "--max-seconds", "0.1"],
    ):
        capsys.readouterr()
        code = cli.main(arguments)
        assert code in (0, 2)
        if code:
            assert_one_sentence(capsys.readouterr().err)
    capsys.readouterr()
    assert cli.main(["info", str(model_path), "--json"]) == 0
    strict_json(capsys.readouterr().out)


def test_a_model_that_names_no_environment_walks_on_flat_ground(
    capsys: Captured, model_path: Path
) -> None:
    contents = torch.load(model_path, weights_only=True)
    del contents["env_id"]
    torch.save(contents, model_path)
    assert cli.main(["evaluate", str(model_path), "--episodes", "1", "--json"]) == 0
    assert strict_json(capsys.readouterr().out)["env_id"] == "BipedalWalker-v3"
    assert cli.main(["record", str(model_path), "--out", "a.gif", "--max-seconds", "0.1"]) == 0
    assert Path("a.gif").exists()


def test_info_is_one_json_object_or_lines(capsys: Captured, model_path: Path) -> None:
    assert cli.main(["info", str(model_path), "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1
    assert captured.err == ""
    facts = strict_json(captured.out)
    assert facts["layers"] == "24-8-8-4"
    assert cli.main(["info", str(model_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == facts.keys()


def test_a_report_of_a_run(capsys: Captured, run: Path) -> None:
    assert cli.main(["report", str(run)]) == 0
    assert capsys.readouterr().out.strip() == str(run / "report.html")
