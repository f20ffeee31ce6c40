"""`bipedal conformance`: the same, different by a bit at a known step, or no walker at all."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from commands import Captured, assert_one_sentence, assert_refused, strict_json
from gymnasium.envs.registration import register, registry

from bipedal import cli
from bipedal.conformance import check
from bipedal.conformance.recording import Recording, read_recording, recording_path
from bipedal.walker import ENV_IDS, HARDCORE_ID, WALKER_ID

OURS = f"bipedal/{WALKER_ID}"


@pytest.fixture(autouse=True)
def few_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two shortest episodes of each behaviour, without those of a thousand steps."""

    def read(env_id: str) -> Recording:
        recording = read_recording(env_id)
        episodes = sorted(recording.episodes, key=lambda episode: len(episode.actions))
        names = {e.behaviour for e in episodes}
        kept = [e for n in names for e in [e for e in episodes if e.behaviour == n][:2]]
        kept = [episode for episode in kept if len(episode.actions) < 500]
        return dataclasses.replace(recording, episodes=kept)

    monkeypatch.setattr(check, "read_recording", read)


class Tampered(gymnasium.Wrapper[Any, Any, Any, Any]):
    """A walker whose answer to one action is changed."""

    def __init__(self, env: Any, at: int, change: Callable[[list[Any]], None]) -> None:
        super().__init__(env)
        self.at, self.change, self.steps = at, change, 0

    def step(self, action: Any) -> Any:
        outcome = list(self.env.step(action))
        self.steps += 1
        if self.steps == self.at:
            self.change(outcome)
        return tuple(outcome)


@pytest.fixture
def register_env() -> Iterator[Callable[[Callable[[], Any]], str]]:
    name = "tests/Walker-v0"

    def add(make: Callable[[], Any]) -> str:
        register(name, entry_point=lambda **_: make())
        return name

    yield add
    registry.pop(name, None)


def tamper(at: int, change: Callable[[list[Any]], None]) -> Callable[[], Any]:
    return lambda: Tampered(gymnasium.make(OURS), at, change)


def flip_lowest_bit(outcome: list[Any]) -> None:
    outcome[0] = (outcome[0].view(np.uint32) ^ (np.arange(24) == 6)).astype(np.uint32)
    outcome[0] = outcome[0].view(np.float32)


@pytest.mark.reference
@pytest.mark.parametrize("env_id", ENV_IDS)
def test_gymnasium_is_identical(capsys: Captured, env_id: str) -> None:
    assert cli.main(["conformance", env_id, "--json"]) == 0
    result = strict_json(capsys.readouterr().out)
    assert result["reference"] == env_id
    assert result["identical"] is True
    assert result["episodes"] == result["identical_episodes"] >= 12
    assert result["steps"] > 500
    assert result["differences"] == []


def test_a_bit_at_a_step_is_told_exactly(capsys: Captured, register_env: Any) -> None:
    name = register_env(tamper(20, flip_lowest_bit))
    assert cli.main(["conformance", name, "--json"]) == 1
    captured = capsys.readouterr()
    assert "is not Gymnasium's BipedalWalker-v3" in assert_one_sentence(captured.err)
    result = strict_json(captured.out)
    assert result["identical_episodes"] == 0
    assert len(result["differences"]) == result["episodes"]
    for difference in result["differences"]:
        assert (difference["step"], difference["quantity"]) == (20, "knee angle 0")
        assert 0 < difference["size"] < 1e-6
        value = np.float32(difference["value"]).view(np.uint32)
        assert value ^ np.float32(difference["expected"]).view(np.uint32) == 1


def test_the_table_tells_it_too(capsys: Captured, register_env: Any) -> None:
    def double_reward(outcome: list[Any]) -> None:
        outcome[1] *= 2

    assert cli.main(["conformance", register_env(tamper(3, double_reward))]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("tests/Walker-v0 beside Gymnasium's BipedalWalker-v3 (gymnasium ")
    assert any(line.split()[0] == "together" for line in lines if line)
    assert any(", step 3: reward is " in line for line in lines)


def test_an_episode_that_ends_too_early_differs(capsys: Captured, register_env: Any) -> None:
    def end(outcome: list[Any]) -> None:
        outcome[2] = True

    assert cli.main(["conformance", register_env(tamper(2, end)), "--json"]) == 1
    differences = json.loads(capsys.readouterr().out)["differences"]
    assert {(d["step"], d["quantity"]) for d in differences} == {(2, "terminated")}


def test_nan_is_null_in_json(capsys: Captured, register_env: Any) -> None:
    def spoil(outcome: list[Any]) -> None:
        outcome[0] = np.full(24, np.nan, np.float32)

    assert cli.main(["conformance", register_env(tamper(1, spoil)), "--json"]) == 1
    difference = strict_json(capsys.readouterr().out)["differences"][0]
    assert difference["value"] is None
    assert isinstance(difference["expected"], float)


def test_the_other_world_differs_from_the_reset_on(capsys: Captured) -> None:
    assert cli.main(["conformance", OURS, "--reference", HARDCORE_ID, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["reference"] == HARDCORE_ID


def test_an_environment_that_fails_is_named(capsys: Captured, register_env: Any) -> None:
    def fail(outcome: list[Any]) -> None:
        raise ZeroDivisionError("one\ntwo")

    name = register_env(tamper(5, fail))
    sentence = assert_refused(capsys, "conformance", name, code=1)
    assert "tests/Walker-v0 fails after 4 steps of the episode with seed" in sentence


def test_an_observation_of_another_type_is_named(capsys: Captured, register_env: Any) -> None:
    def widen(outcome: list[Any]) -> None:
        outcome[0] = outcome[0].astype(np.float64)

    name = register_env(tamper(1, widen))
    assert "float64, not (24,) float32" in assert_refused(capsys, "conformance", name, code=1)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "ENV_ID"),
        (["NoSuchWalker-v3"], "NoSuchWalker"),
        (["nosuchmodule:Walker-v3"], "nosuchmodule"),
        ([""], "gymnasium.make"),
        (["CartPole-v1"], "CartPole-v1 is not a walker: its observation space is"),
        ([WALKER_ID, "--reference", "CartPole-v1"], "unknown environment 'CartPole-v1'"),
    ],
)
def test_wrong_requests(capsys: Captured, arguments: list[str], says: str) -> None:
    assert says in assert_refused(capsys, "conformance", *arguments)


def test_the_recorded_files_are_small() -> None:
    assert sum(recording_path(env_id).stat().st_size for env_id in ENV_IDS) < 2**20
