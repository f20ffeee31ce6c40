"""Races in node: changed ground, other laws, balls, keys; their past, and their replays."""

from __future__ import annotations

import itertools
import json
from contextlib import closing
from typing import Any

import numpy as np
import pytest
import torch
from node import needs_node, run_node

from bipedal.checkpoint import load_model
from bipedal.conformance.answer import answers_of
from bipedal.conformance.recording import read_recording
from bipedal.engines.warp import WarpEngine
from bipedal.evaluation.episode import run_episode
from bipedal.evaluation.gait import analyse
from bipedal.live.share import describe_policy, gait_limits, play_greedily
from bipedal.networks import forward_in_float64
from bipedal.physics.constants import TERRAIN_STEP
from bipedal.physics.terrain import Difficulty
from bipedal.policy import Policy
from bipedal.walker import HARDCORE_ID, WALKER_ID

pytestmark = needs_node

Boxes = list[list[float]]


def run(job: str, **given: Any) -> Any:
    return json.loads(run_node("race_jobs.mjs", job=job, **given))


@pytest.fixture(scope="module")
def models() -> list[dict[str, Any]]:
    return [describe_policy(name, load_model(name)) for name in ("pretrained:walker",)]


def recorded(env_id: str, steps: int) -> tuple[dict[str, Any], list[list[float]]]:
    """A start and actions of an episode that is longer than that."""
    episodes = read_recording(env_id).episodes
    episode = next(one for one in episodes if len(one.actions) > steps)
    start = {"seed": str(episode.seed), "hardcore": env_id == HARDCORE_ID}
    return start, episode.actions[:steps].tolist()


# Ground -------------------------------------------------------------------------------------------


def test_drawn_ground_is_the_ground_that_python_walks_on() -> None:
    """Drawn after the reset and out of sight, it gives the bits of an engine that began with it."""
    start, actions = recorded(WALKER_ID, 300)
    with closing(WarpEngine(WALKER_ID, 1, int(start["seed"]), threads=1)) as engine:
        engine.reset()
        heights, _ = engine.terrain(0)
        force = float(engine.walkers.start_force.numpy()[0])
        ahead = np.arange(200) * TERRAIN_STEP > 14
        heights[ahead] += np.sin(np.arange(200)[ahead]) * 0.3
        boxes = [[15.0, 2.0, 15.5, 4.0], [20.0, 2.0, 21.0, 4.0], [40.0, 2.0, 40.5, 4.5]]
        engine.set_start(0, heights, np.array(boxes), force)
        engine.begin_episodes([0])
        expected = [
            answer.to_bytes().hex()
            for action in actions
            for answer in answers_of(engine.step(torch.tensor([action])))
        ]
    walked = run("walk", start=start, actions=actions, heights=heights.tolist(), boxes=boxes)
    assert walked["stand"] == [True] * 3
    assert walked["answers"] == expected


def test_a_stump_behind_changes_nothing_ahead() -> None:
    """It takes a number before those of the boxes that the robot stands on."""
    start, actions = recorded(HARDCORE_ID, 500)
    calm = run("walk", start=start, actions=actions)
    first = calm["terrain"]["boxes"][0]
    stump = [first[0] - 3.0, 2.0, first[0] - 2.5, 4.0]
    for at in range(100, 500, 80):
        walked = run("walk", start=start, actions=actions, at=at, boxes=[stump])
        if walked["stand"] == [True]:
            break
    assert walked["stand"] == [True]
    assert len(walked["terrain"]["boxes"]) == len(calm["terrain"]["boxes"]) + 1
    assert walked["answers"] == calm["answers"]


def test_ground_stays_where_a_robot_stands() -> None:
    start, actions = recorded(WALKER_ID, 20)
    calm = run("walk", start=start, actions=actions)
    line = [height for _, height in calm["terrain"]["line"]]
    raised = [height + (i < 30) for i, height in enumerate(line)]
    walked = run("walk", start=start, actions=actions, heights=raised, boxes=[[4.0, 3.0, 5.0, 4.0]])
    after = [height for _, height in walked["terrain"]["line"]]
    assert walked["stand"] == [False]
    assert after[10] == line[10]
    assert after[29] == line[29] + 1
    assert not run("free", start=start, left=4.6, right=4.7)
    assert run("free", start=start, left=20.0, right=21.0)


@pytest.mark.parametrize(
    ("boxes", "stand"),
    [
        ([[20.0, 3.0, 25.0, 4.0], [21.0, 3.0, 22.0, 5.0]], [True, False]),  # one inside another
        ([[21.0, 3.0, 22.0, 5.0], [20.0, 3.0, 25.0, 4.0]], [True, False]),
        ([[20.0, 3.0, 22.0, 4.0], [21.0, 3.0, 23.0, 5.0]], [True, True]),
        ([[20.0 + i, 3.0, 20.5 + i, 4.0] for i in range(65)], [True] * 64 + [False]),
    ],
)
def test_boxes_stay_in_order_and_are_at_most_64(boxes: Boxes, stand: list[bool]) -> None:
    walked = run("walk", start={}, actions=[[0, 0, 0, 0]], boxes=boxes)
    assert walked["stand"] == stand
    found = walked["terrain"]["boxes"]
    assert len(found) == sum(stand)
    assert found == sorted(found)


def test_other_kinds_of_ground_are_pythons() -> None:
    difficulty = Difficulty(roughness=2.5, obstacles=0.5, stairs_weight=0.0, pit_width=0.5)
    row = difficulty.row().tolist()
    with closing(WarpEngine(HARDCORE_ID, 1, 5, threads=1)) as engine:
        engine.set_difficulty([0], difficulty)
        engine.reset()
        heights, boxes = engine.terrain(0)
    start = {"seed": "5", "hardcore": True, "difficulty": row}
    terrain = run("walk", start=start, actions=[[0, 0, 0, 0]])["terrain"]
    assert [height for _, height in terrain["line"]] == heights.tolist()
    assert terrain["boxes"] == boxes.tolist()


# Laws ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gravity", [0.0, 1.6, 10.0, 25.0])
def test_gravity_is_what_the_slider_says(gravity: float) -> None:
    conditions = {"gravity": gravity, "motors": 1, "grip": 1}
    assert run("fall", conditions=conditions, steps=20) == pytest.approx(gravity, abs=1e-3)


def test_weak_motors_are_small_actions() -> None:
    start, actions = recorded(WALKER_ID, 60)
    conditions = {"gravity": 10, "motors": 0.5, "grip": 1}
    halved = (np.clip(np.array(actions), -1, 1) / 2).tolist()
    weak = run("walk", start=start, actions=actions, conditions=conditions)["answers"]
    assert weak == run("walk", start=start, actions=halved)["answers"]
    assert weak != run("walk", start=start, actions=actions)["answers"]


def test_what_was_and_is_as_it_was_leaves_the_same_bits(models: list[dict[str, Any]]) -> None:
    """Laws that are Gymnasium's again do not stay in any table of the engine."""
    calm = run("revisit", models=models, events=[], time=80, visits=[])
    same = [[40, "world", 3, 0.5, 0.1], [40, "world", 10, 1, 1]]
    assert run("revisit", models=models, events=same, time=80, visits=[])["first"] == calm["first"]
    other = [[40, "world", 10, 1, 0.1], [41, "world", 10, 1, 1]]
    assert run("revisit", models=models, events=other, time=80, visits=[]) != calm


# Balls --------------------------------------------------------------------------------------------


def test_a_ball_gives_its_momentum_and_no_more() -> None:
    met = run("meet", **{"from": [8.0, 5.6]}, velocity=[-8.0, 0.0], steps=25)
    assert met["found"]
    for before, after in met["found"]:
        assert after == pytest.approx(before, abs=1e-4)


def test_a_ball_that_misses_pushes_nobody_and_lies_on_the_ground() -> None:
    met = run("meet", **{"from": [20.0, 6.0]}, velocity=[3.0, 0.0], steps=300)
    assert met["found"] == []
    assert 2.5 < met["ball"]["at"][1] < 4.5


# The past -----------------------------------------------------------------------------------------

EVERYTHING = [
    [10, "push", 0, 4.0, 1.0, 5.0, 5.3],
    [20, "ground", 24, 3.6, 3.8, 3.6],
    [25, "stump", 12.6, 3.0, 13.1, 4.0],
    [30, "world", 8, 0.9, 0.8],
    [31, "throw", 9.0, 6.0, -6.0, 1.0],
    [60, "keys", 0, 5],
    [70, "keys", 0, -1],
]


def test_a_time_that_is_visited_again_has_the_same_bits(models: list[dict[str, Any]]) -> None:
    visits = [0, 60, 24, 25, 26, 49, 10, 99, 75]
    seen = run("revisit", models=models, events=EVERYTHING, time=100, visits=visits)
    assert seen["time"] == 100
    assert seen["again"] == seen["first"]
    for dropped in range(len(EVERYTHING) - 1):
        events = EVERYTHING[:dropped] + EVERYTHING[dropped + 1 :]
        other = run("revisit", models=models, events=events, time=100, visits=[])
        assert other["first"] != seen["first"], EVERYTHING[dropped]


def test_a_replay_has_the_same_bits(models: list[dict[str, Any]]) -> None:
    replayed = run("replay", models=models * 2, acts=EVERYTHING, time=120)
    assert replayed["digest"] == replayed["again"]
    assert replayed["events"] == EVERYTHING
    assert len(replayed["digest"]) == 32
    assert len(replayed["packed"]) < 700


SOUND = {
    "format": "bipedal-replay",
    "version": 1,
    "start": {"seed": "3", "hardcore": False, "difficulty": None},
    "models": [],
    "events": EVERYTHING,
    "time": 120,
    "digest": "0",
}


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"version": 2},
        {"start": {"seed": "-3", "hardcore": False, "difficulty": None}},
        {"start": {"seed": "3", "hardcore": False, "difficulty": [1.0] * 10}},
        {"start": {"seed": "3", "hardcore": False, "difficulty": [1.0, 2.0, *[1.0] * 9]}},
        {"start": {"seed": "3", "hardcore": False, "difficulty": [1, 1, 0, 0, 0, *[1] * 6]}},
        {"models": [1]},
        {"events": [[0, "constructor"]]},
        {"events": [[0, "push", 0, 1e30, 0, 0, 0]]},
        {"events": [[0, "push", 7, 1, 0, 0, 0]]},
        {"events": [[0, "ground", 0]]},
        {"events": [[0, "ground", 0.5, 3]]},
        {"events": [[0, "stump", 2, 0, 1, 1]]},
        {"events": [[0, "world", 10, 2, 1]]},
        {"events": [[0, "keys", 0, 16]]},
        {"events": [[5, "keys", 0, 1], [4, "keys", 0, 1]]},
        {"time": 1e9},
        {"digest": None},
    ],
)
def test_a_damaged_replay_is_refused(change: dict[str, Any]) -> None:
    assert run("refuse", value=SOUND) == ""
    assert "replay" in run("refuse", value={**SOUND, **change})


@pytest.mark.parametrize(
    ("start", "events", "world"),
    [
        ({}, [], "ordinary"),
        ({}, [[1, "world", 10, 1, 1]], "ordinary"),
        ({}, EVERYTHING[:1], "disturbed"),
        ({}, EVERYTHING[1:2], "other"),
        ({}, EVERYTHING[3:4], "other"),
        ({"difficulty": [1.0] * 11}, [], "other"),
    ],
)
def test_the_page_says_whose_world_it_is(start: Any, events: Any, world: str) -> None:
    told = run("world", start=start, events=events)
    assert told["world"] == world
    assert bool(told["changes"]) == (world != "ordinary")


# Gait ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pretrained:walker", "pretrained:hardcore"])
def test_gaits_have_pythons_words(name: str) -> None:
    policy = load_model(name)
    trajectory = run_episode(policy, WALKER_ID, 4).trajectory
    assert trajectory is not None
    gait = analyse(trajectory)
    seen = run(
        "gait",
        models=[describe_policy(name, policy)],
        start={"seed": "4"},
        limits=gait_limits(),
        steps=2000,
    )
    assert seen["words"] == [gait.gait_class.value, gait.posture.value]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"running_duty_factor": 0.0, "running_flight_fraction": 1.0}, "walking"),
        ({"standing_froude": 1e9}, "standing"),
        ({"creeping_froude": 1e9}, "shuffling"),
        ({"slide_share": 0.0}, "shuffling"),
        ({"step_length": 9.0}, "shuffling"),
        ({"lying_share": 0.0}, "kneeling/crawling"),
        ({"double_support_fraction": 0.0, "running_flight_fraction": 1.0}, "shuffling"),
    ],
)
def test_every_threshold_is_used(models: Any, change: dict[str, float], word: str) -> None:
    limits = {**gait_limits(), **change}
    assert run("gait", models=models, limits=limits, steps=200)["words"][0] == word


def test_values_are_the_critics() -> None:
    policy = load_model("pretrained:hardcore")
    seen = run("gait", models=[describe_policy("", policy)], limits=gait_limits(), steps=50)
    answers = itertools.islice(play_greedily(flat(policy), 0), 50)
    observations = torch.from_numpy(np.stack([answer.observation for answer in answers]))
    expected = forward_in_float64(policy.critic.net, policy.observe(observations)).squeeze(-1)
    assert seen["values"] == pytest.approx(expected.tolist())


def flat(policy: Policy) -> Policy:
    """The same policy in BipedalWalker-v3."""
    other = policy.share()
    other.info["env_id"] = WALKER_ID
    return other
