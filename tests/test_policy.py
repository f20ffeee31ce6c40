"""The only way from an observation to an action."""

import copy

import numpy as np
import pytest
import torch
from gymnasium.wrappers.utils import RunningMeanStd
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bipedal.history import FrameStack
from bipedal.networks import Actor, Critic
from bipedal.normalizer import ObservationNormalizer
from bipedal.policy import Policy
from bipedal.walker import ACTION_DIM, OBSERVATION_DIM, FloatArray


def make_policy(frames: int = 1, stride: int = 1, hidden_sizes: tuple[int, ...] = (8,)) -> Policy:
    """Random networks, and statistics that differ in every number."""
    torch.manual_seed(0)
    width = frames * OBSERVATION_DIM
    actor = Actor(width, ACTION_DIM, hidden_sizes=hidden_sizes)
    critic = Critic(width, hidden_sizes=(8,))
    actor.scale_output(50.0)
    normalizer = ObservationNormalizer((OBSERVATION_DIM,))
    normalizer.update(torch.randn(100, OBSERVATION_DIM) * 2.0 + torch.arange(OBSERVATION_DIM) / 10)
    return Policy(actor, critic, normalizer, FrameStack(frames, stride))


def observations(count: int) -> list[FloatArray]:
    return list(np.random.default_rng(1).normal(size=(count, OBSERVATION_DIM)).astype(np.float32))


def by_hand(policy: Policy, shown: list[FloatArray]) -> FloatArray:
    """The action for raw observations, the latest first."""
    mean, var = policy.normalizer.mean.numpy(), policy.normalizer.var.numpy()
    scaled = np.clip((np.stack(shown) - mean) / np.sqrt(var + 1e-8), -10, 10).astype(np.float32)
    net = copy.deepcopy(policy.actor.net).double()
    with torch.no_grad():
        output: Tensor = net(torch.from_numpy(scaled).flatten().double())
    return np.tanh(policy.gain * output.numpy()).astype(np.float32)


def test_one_observation_by_hand() -> None:
    policy = make_policy()
    policy.gain = 0.7
    for observation in observations(3):
        expected = by_hand(policy, [observation])
        np.testing.assert_allclose(policy.act(observation), expected, rtol=1e-5)


def test_earlier_observations_are_shown_until_a_restart() -> None:
    policy = make_policy(frames=2, stride=2)
    a, b, c, d = observations(4)
    for observation, shown in ((a, [a, a]), (b, [b, a]), (c, [c, a]), (d, [d, b])):
        np.testing.assert_allclose(policy.act(observation), by_hand(policy, shown), rtol=1e-5)
    policy.restart()
    np.testing.assert_allclose(policy.act(c), by_hand(policy, [c, c]), rtol=1e-5)


@given(begun=st.lists(st.lists(st.booleans(), min_size=3, max_size=3), max_size=6))
@settings(max_examples=25, deadline=None)
def test_many_robots_are_as_many_policies_of_one(begun: list[list[bool]]) -> None:
    """Whichever episodes begin when."""
    many = make_policy(frames=3, stride=2)
    ones = [many.share() for _ in range(3)]
    rows = torch.from_numpy(np.random.default_rng(2).normal(size=(len(begun) + 1, 3, 24)))
    for time, now in enumerate(rows.float()):
        first = [True] * 3 if time == 0 else begun[time - 1]
        for one, anew in zip(ones, first, strict=True):
            if anew:
                one.restart()
        actions = many.act_batch(now, torch.tensor(first))
        expected = [one.act(row.numpy()) for one, row in zip(ones, now, strict=True)]
        np.testing.assert_array_equal(actions.numpy(), np.stack(expected))


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("gain", [1.0, 0.65])
def test_an_action_does_not_depend_on_the_others(frames: int, gain: float) -> None:
    """Not on its last bit, however many there are."""
    policy = make_policy(frames, hidden_sizes=(64, 64))
    policy.gain = gain
    seen = torch.from_numpy(np.stack(observations(700)))
    alone = np.stack([policy.share().act(row) for row in seen.numpy()])
    for size in (1, 2, 3, 5, 8, 13, 16, 17, 31, 64, 100, 257, 700):
        parts = [policy.share().act_batch(part).numpy() for part in seen.split(size)]
        np.testing.assert_array_equal(np.concatenate(parts), alone, err_msg=str(size))


def test_an_action_is_computed_in_float64_and_rounded_once() -> None:
    """So that anybody finds it to the bit with a network of another library."""
    policy = make_policy(hidden_sizes=(64, 64))
    for observation in observations(300):
        np.testing.assert_array_equal(policy.act(observation), by_hand(policy, [observation]))


def test_each_robot_may_have_a_gain_of_its_own() -> None:
    policy = make_policy()
    seen = torch.from_numpy(np.stack(observations(2)))
    strong, weak = policy.act_batch(seen, gain=2.0)[0], policy.act_batch(seen, gain=0.5)[1]
    both = policy.act_batch(seen, gain=torch.tensor([[2.0], [0.5]]))
    assert torch.equal(both, torch.stack([strong, weak]))
    assert not torch.equal(both[0], policy.act_batch(seen)[0])


def test_the_gain_goes_into_the_weights_of_a_copy() -> None:
    policy = make_policy()
    policy.gain = 0.8
    before = {name: value.clone() for name, value in policy.actor.state_dict().items()}
    folded = policy.with_gain_in_weights()
    assert folded.gain == 1.0 and policy.gain == 0.8
    for observation in observations(5):
        np.testing.assert_allclose(
            folded.act(observation), policy.act(observation), rtol=1e-5, atol=1e-6
        )
    assert all(torch.equal(before[name], v) for name, v in policy.actor.state_dict().items())


def test_shared_policies_have_the_same_weights_and_histories_of_their_own() -> None:
    policy = make_policy(frames=2)
    other = policy.share()
    a, b = observations(2)
    policy.act(a)
    np.testing.assert_array_equal(other.act(b), by_hand(policy, [b, b]))
    with torch.no_grad():
        policy.actor.log_std.fill_(-3.0)
    assert other.actor.log_std.tolist() == [-3.0] * ACTION_DIM


class TestStatistics:
    def test_none_are_a_mean_of_zero_and_a_variance_of_one(self) -> None:
        policy = make_policy()
        blind = policy.with_statistics("none")
        (observation,) = observations(1)
        with torch.no_grad():
            expected = policy.actor(torch.from_numpy(observation))
        np.testing.assert_allclose(blind.act(observation), expected, rtol=1e-4)

    def test_fresh_ones_are_estimated_anew_in_each_episode(self) -> None:
        fresh = make_policy().with_statistics("fresh")
        seen = observations(4)
        first = [fresh.act(observation) for observation in seen]
        assert float(fresh.normalizer.count) == pytest.approx(4, abs=1e-3)
        fresh.restart()
        np.testing.assert_array_equal([fresh.act(observation) for observation in seen], first)

    def test_fresh_ones_are_each_robots_own(self) -> None:
        many = make_policy().with_statistics("fresh")
        ones = [many.with_statistics("fresh") for _ in range(2)]
        begun = torch.tensor([False, True])
        for time, both in enumerate(torch.from_numpy(np.stack(observations(8))).split(2)):
            if time == 2:
                ones[1].restart()
            actions = many.act_batch(both, begun if time == 2 else None)
            expected = [one.act(row.numpy()) for one, row in zip(ones, both, strict=True)]
            np.testing.assert_array_equal(actions.numpy(), np.stack(expected))

    def test_fresh_ones_are_gymnasiums(self) -> None:
        fresh, statistics = make_policy().with_statistics("fresh"), RunningMeanStd(shape=(24,))
        for observation in observations(5):
            fresh.act(observation)
            statistics.update(observation[None])
        np.testing.assert_allclose(fresh.normalizer.mean.flatten(), statistics.mean, rtol=1e-12)
        np.testing.assert_allclose(fresh.normalizer.var.flatten(), statistics.var, rtol=1e-12)

    def test_those_of_training_are_left_alone(self) -> None:
        policy = make_policy()
        before = policy.normalizer.mean.clone()
        for kind in ("saved", "none", "fresh"):
            policy.with_statistics(kind).act(observations(1)[0])
        assert torch.equal(policy.normalizer.mean, before)


@pytest.mark.parametrize("shape", [(2, 24), (1, 24), (23,), ()])
def test_act_takes_one_observation(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"one observation \(24,\), not .*: act_batch"):
        make_policy().act(np.zeros(shape, dtype=np.float32))


@pytest.mark.parametrize("shape", [(24,), (2, 23), (2, 1, 24)])
def test_act_batch_takes_many(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"observations \(N, 24\), not"):
        make_policy().act_batch(torch.zeros(shape))


def test_it_plays_where_its_file_says() -> None:
    policy = make_policy()
    assert policy.env_id == "BipedalWalker-v3"
    policy.info["env_id"] = "BipedalWalkerHardcore-v3"
    assert policy.share().env_id == "BipedalWalkerHardcore-v3"
