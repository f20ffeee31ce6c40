import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bipedal.checkpoint import load_model, save_model
from bipedal.engines.reference import make_env
from bipedal.errors import UserError
from bipedal.evaluation.episode import Act, run_episode
from bipedal.evaluation.gait import GaitClass, Posture
from bipedal.evaluation.score import Evaluation, evaluate, interquartile_mean, mean_interval
from bipedal.history import FrameStack
from bipedal.networks import Activation, Actor, Critic
from bipedal.normalizer import ObservationNormalizer
from bipedal.policy import Policy
from bipedal.walker import FloatArray

ROOT = Path(__file__).parents[2]


def heuristic() -> Act:
    from gymnasium.envs.box2d.bipedal_walker import BipedalWalkerHeuristics

    walker: Any = BipedalWalkerHeuristics()  # it has no types
    return lambda observation: walker.step_heuristic(observation).astype(np.float32)


@pytest.fixture
def clumsy() -> Policy:
    """A random policy with statistics of its own: it falls, at a different time on each terrain."""
    torch.manual_seed(4)
    actor = Actor(24, 4, hidden_sizes=(16, 16))
    with torch.no_grad():
        list(actor.parameters())[-2].mul_(100.0)
    normalizer = ObservationNormalizer((24,))
    normalizer.update(torch.randn(200, 24) * 0.3 + 0.1)
    return Policy(actor, Critic(24, hidden_sizes=(16, 16)), normalizer)


@pytest.mark.reference
def test_an_episode_is_gymnasiums_own_from_a_fresh_reset() -> None:
    episode = run_episode(heuristic(), "BipedalWalker-v3", seed=3)
    env, policy = make_env("BipedalWalker-v3"), heuristic()
    observation, _ = env.reset(seed=3)
    rewards, done = [], False
    while not done:
        observation, reward, terminated, truncated, _ = env.step(policy(observation))
        rewards.append(float(reward))
        done = terminated or truncated
    assert episode.episodic_return == sum(rewards)
    assert episode.length == len(rewards)
    assert episode.fell == (rewards[-1] == -100)


@pytest.mark.reference
def test_the_same_seed_is_the_same_episode_whatever_was_played_before() -> None:
    first = run_episode(heuristic(), "BipedalWalker-v3", seed=3)
    run_episode(heuristic(), "BipedalWalkerHardcore-v3", seed=9)
    assert run_episode(heuristic(), "BipedalWalker-v3", seed=3).episodic_return == (
        first.episodic_return
    )


@pytest.mark.reference
def test_the_heuristic_walks() -> None:
    episode = run_episode(heuristic(), "BipedalWalker-v3", seed=0)
    assert episode.gait is not None
    assert episode.gait.gait_class == GaitClass.WALKING
    assert episode.gait.duty_factor == pytest.approx(0.53, abs=0.02)
    assert episode.gait.upper_contact_share == 0.0
    assert episode.episodic_return > 290


def test_episode_i_is_seeded_with_seed_plus_i(clumsy: Policy) -> None:
    result = evaluate(clumsy, "BipedalWalker-v3", episodes=3, seed=20)
    expected = [
        run_episode(clumsy.act, "BipedalWalker-v3", seed).episodic_return for seed in (20, 21, 22)
    ]
    assert result.returns.tolist() == expected
    assert len(set(expected)) == 3


def test_the_interquartile_mean_of_eight_values_by_hand() -> None:
    values = np.array([100.0, 3.0, 1.0, 4.0, 2.0, 6.0, -50.0, 5.0])
    assert interquartile_mean(values) == (2 + 3 + 4 + 5) / 4


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=25).map(np.array))
def test_the_interquartile_mean_is_scipys_trimmed_mean(values: np.ndarray) -> None:
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25), abs=1e-9)


def test_the_summary_by_hand(clumsy: Policy) -> None:
    result = evaluate(clumsy, "BipedalWalker-v3", episodes=3)
    summary = result.to_json()
    returns = [e.episodic_return for e in result.episodes]
    assert summary["mean_return"] == pytest.approx(sum(returns) / 3)
    assert (summary["min_return"], summary["max_return"]) == (min(returns), max(returns))
    assert summary["std_return"] == pytest.approx(np.std(returns))
    assert summary["fall_rate"] == sum(e.fell for e in result.episodes) / 3
    lengths = [e.length for e in result.episodes]
    assert summary["mean_length"] == pytest.approx(sum(lengths) / 3)
    distance = sum(e.distance for e in result.episodes)
    assert summary["mean_speed"] == pytest.approx(distance / (sum(lengths) / 50))
    assert summary["iqm_return"] == summary["mean_return"]  # of three, nothing is cut off
    assert (summary["solved"], summary["share_solved"]) == (False, 0.0)
    json.dumps(summary, allow_nan=False)


@pytest.mark.parametrize(("mean", "solved"), [(299.9, False), (300.0, True)])
def test_solved_means_gymnasiums_threshold(clumsy: Policy, mean: float, solved: bool) -> None:
    episode = run_episode(clumsy.act, "BipedalWalker-v3", 0)
    good = type(episode)(**{**vars(episode), "episodic_return": mean})
    assert Evaluation("BipedalWalker-v3", 0, [good]).to_json()["solved"] is solved


def test_the_middle_half_and_the_share_of_solved_episodes(clumsy: Policy) -> None:
    episode = run_episode(clumsy.act, "BipedalWalker-v3", 0)
    returns = [-50.0, 310.0, 300.0, 290.0, 299.9, 320.0, 330.0, -90.0]
    played = [type(episode)(**{**vars(episode), "episodic_return": value}) for value in returns]
    answer = Evaluation("BipedalWalker-v3", 0, played).to_json()
    assert answer["iqm_return"] == pytest.approx((290.0 + 299.9 + 300.0 + 310.0) / 4)
    assert answer["share_solved"] == 4 / 8


def test_statistics_are_frozen(clumsy: Policy) -> None:
    before = clumsy.normalizer.mean.clone()
    evaluate(clumsy, "BipedalWalker-v3", episodes=1)
    assert torch.equal(clumsy.normalizer.mean, before)


def test_saved_missing_and_fresh_statistics_are_three_policies(clumsy: Policy) -> None:
    observation = np.linspace(-1.0, 1.0, 24, dtype=np.float32)
    saved, none, fresh = (clumsy.with_statistics(kind).act for kind in ("saved", "none", "fresh"))
    with torch.no_grad():
        raw: FloatArray = clumsy.actor(torch.from_numpy(observation)).numpy()
    np.testing.assert_allclose(none(observation), raw, rtol=1e-5)
    assert not np.array_equal(saved(observation), raw)
    assert not np.array_equal(fresh(observation), raw)


def test_fresh_statistics_start_anew_each_episode(clumsy: Policy) -> None:
    both = evaluate(clumsy, "BipedalWalker-v3", episodes=2, seed=0, statistics="fresh")
    second = evaluate(clumsy, "BipedalWalker-v3", episodes=1, seed=1, statistics="fresh")
    assert both.returns[1] == second.returns[0]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"episodes": 0}, "--episodes must be at least 1"),
        ({"seed": -1}, "--seed must be from 0"),
        ({"env_id": "Ant-v5"}, "unknown environment 'Ant-v5'"),
    ],
)
def test_wrong_requests(clumsy: Policy, request_: dict[str, object], message: str) -> None:
    arguments = {"env_id": "BipedalWalker-v3", **request_}
    with pytest.raises(UserError, match=message):
        evaluate(clumsy, **arguments)  # type: ignore[arg-type]


def test_the_pretrained_walker_walks_and_needs_its_statistics() -> None:
    walker = load_model("pretrained:walker")
    episode = run_episode(walker.act, "BipedalWalker-v3", seed=0)
    assert episode.episodic_return > 300
    assert episode.gait is not None
    assert episode.gait.gait_class in (GaitClass.WALKING, GaitClass.RUNNING)
    assert episode.gait.posture is Posture.UPRIGHT
    for statistics in ("none", "fresh"):
        blind = run_episode(walker.with_statistics(statistics), "BipedalWalker-v3", seed=0)
        assert blind.episodic_return < 100


@pytest.mark.reference
@pytest.mark.parametrize(
    ("activation", "memory", "env_id"),
    [
        ("relu", FrameStack(), "BipedalWalker-v3"),
        ("tanh", FrameStack(frames=3, stride=4), "BipedalWalkerHardcore-v3"),
    ],
)
def test_an_independent_script_finds_the_same_score(
    clumsy: Policy, tmp_path: Path, activation: Activation, memory: FrameStack, env_id: str
) -> None:
    """Some forty lines that share nothing with the package, on the two files alone."""
    path = tmp_path / "model.pth"
    width = 24 * memory.frames
    generator = torch.Generator().manual_seed(0)
    actor = Actor(width, 4, hidden_sizes=(16, 16), activation=activation, generator=generator)
    actor.scale_output(100.0)  # makes it as clumsy as the other
    critic = Critic(width, hidden_sizes=(4,))
    model = Policy(actor, critic, clumsy.normalizer, memory, info={"env_id": env_id})
    save_model(path, model)
    script = ROOT / "examples" / "independent_score.py"
    assert len(script.read_text().splitlines()) <= 45
    answer = subprocess.run(
        [sys.executable, str(script), str(path), "3"], check=True, capture_output=True, text=True
    )
    ours = evaluate(load_model(path), env_id, episodes=3).mean_return
    assert float(answer.stdout) == pytest.approx(ours, abs=1e-9)


@pytest.mark.parametrize("n", [5, 6, 10, 30, 100, 1000])
def test_the_interval_of_a_mean_is_students(n: int) -> None:
    values = np.random.default_rng(n).normal(300.0, 12.0, n)
    interval = mean_interval(values)
    assert interval is not None
    expected = stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values))
    assert interval == pytest.approx(expected, abs=0.002 * (expected[1] - expected[0]))


def test_a_few_episodes_have_no_interval(clumsy: Policy) -> None:
    assert mean_interval(np.array([1.0, 2.0, 3.0, 4.0])) is None
    assert evaluate(clumsy, "BipedalWalker-v3", episodes=1).to_json()["interval_return"] is None
