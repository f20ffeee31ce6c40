import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.wrappers.utils import RunningMeanStd as GymnasiumRunningMeanStd
from hypothesis import given
from hypothesis import strategies as st
from torch import tensor

from bipedal.engines.reference import make_env
from bipedal.normalizer import ObservationNormalizer, RewardScaler, RunningMeanStd


def test_one_batch_by_hand() -> None:
    statistics = RunningMeanStd((1,))
    statistics.count.fill_(2.0)  # two samples with mean 0 and variance 1, then 1, 3, 5, 7
    statistics.update(tensor([[1.0], [3.0], [5.0], [7.0]]))
    assert float(statistics.mean) == pytest.approx(16 / 6)
    # sum of squares 2·1 + 84, over 6, minus the squared mean
    assert float(statistics.var) == pytest.approx(86 / 6 - (16 / 6) ** 2)
    assert float(statistics.count) == 6.0


@given(st.lists(st.integers(1, 6), min_size=1, max_size=8), st.integers(0, 2**31))
def test_any_split_into_batches_gives_the_statistics_of_the_whole(
    sizes: list[int], seed: int
) -> None:
    samples = np.random.default_rng(seed).normal(3.0, 2.0, (sum(sizes), 2))
    statistics, gymnasiums = RunningMeanStd((2,)), GymnasiumRunningMeanStd(shape=(2,))
    for batch in np.split(samples, np.cumsum(sizes)[:-1]):
        statistics.update(torch.from_numpy(batch))
        gymnasiums.update(batch)
    np.testing.assert_allclose(statistics.mean, gymnasiums.mean, rtol=1e-9)
    np.testing.assert_allclose(statistics.var, gymnasiums.var, rtol=1e-9)
    assert float(statistics.count) == pytest.approx(gymnasiums.count)
    np.testing.assert_allclose(statistics.mean, samples.mean(0), rtol=1e-2, atol=1e-2)


def test_normalises_by_hand_and_clips_at_ten() -> None:
    normalizer = ObservationNormalizer((2,))
    normalizer.mean.copy_(tensor([1.0, 0.0]))
    normalizer.var.copy_(tensor([4.0, 1.0]))
    result = normalizer(tensor([[5.0, -99.0], [1.0, 0.5]]))
    assert result.dtype == torch.float32
    assert result.flatten().tolist() == pytest.approx([2.0, -10.0, 0.0, 0.5])


def test_normalising_leaves_the_statistics_alone() -> None:
    normalizer = ObservationNormalizer((2,))
    before = {name: value.clone() for name, value in normalizer.state_dict().items()}
    normalizer(torch.randn(5, 2))
    assert all(torch.equal(before[name], value) for name, value in normalizer.state_dict().items())


def test_statistics_travel_in_the_state_dict() -> None:
    assert set(ObservationNormalizer((2,)).state_dict()) == {"mean", "var", "count"}


@pytest.mark.reference
def test_agrees_with_gymnasiums_own_wrapper() -> None:
    wrapped = gymnasium.wrappers.NormalizeObservation(make_env("BipedalWalker-v3"))
    plain = make_env("BipedalWalker-v3")
    normalizer = ObservationNormalizer((24,))
    theirs, _ = wrapped.reset(seed=5)
    raw, _ = plain.reset(seed=5)
    rng = np.random.default_rng(0)
    for timestep in range(50):
        normalizer.update(torch.from_numpy(raw)[None])
        if timestep > 10:  # theirs counts in float32, which shows while a variance is near zero
            np.testing.assert_allclose(
                normalizer(torch.from_numpy(raw)), np.clip(theirs, -10, 10), rtol=1e-2, atol=1e-3
            )
        action = rng.uniform(-1, 1, 4).astype(np.float32)
        theirs, raw = wrapped.step(action)[0], plain.step(action)[0]


class TestRewardScaler:
    def test_discounted_return_by_hand(self) -> None:
        scaler = RewardScaler(2, gamma=0.5)
        scaler(tensor([[1.0, 2.0]]), tensor([[False, False]]))
        assert scaler.discounted_return.tolist() == [1.0, 2.0]
        scaler(tensor([[1.0, 2.0]]), tensor([[False, True]]))
        assert scaler.discounted_return.tolist() == [1.5, 0.0]  # the second episode is over
        # the four discounted returns were 1, 2, 1.5, 3
        assert float(scaler.mean) == pytest.approx(1.875, rel=1e-3)
        assert float(scaler.var) == pytest.approx(0.546875, rel=1e-3)

    @pytest.mark.parametrize("cut", [1, 3])
    def test_two_rollouts_are_one(self, cut: int) -> None:
        generator = torch.Generator().manual_seed(0)
        rewards = torch.randn(5, 2, generator=generator)
        done = torch.rand(5, 2, generator=generator) < 0.3
        whole, parts = RewardScaler(2, gamma=0.9), RewardScaler(2, gamma=0.9)
        expected = whole(rewards, done)
        parts(rewards[:cut], done[:cut])
        result = parts(rewards[cut:], done[cut:])
        torch.testing.assert_close(result, expected[cut:])
        torch.testing.assert_close(parts.discounted_return, whole.discounted_return)

    @pytest.mark.reference
    def test_one_timestep_at_a_time_agrees_with_gymnasiums_wrapper(self) -> None:
        env = gymnasium.wrappers.NormalizeReward(make_env("BipedalWalker-v3"), gamma=0.99)
        plain = make_env("BipedalWalker-v3")
        scaler = RewardScaler(1, gamma=0.99)
        env.reset(seed=3)
        plain.reset(seed=3)
        for _ in range(40):  # it starts to fall after that
            action = np.full(4, 0.3, dtype=np.float32)
            theirs, raw = env.step(action)[1], plain.step(action)[1]
            ours = scaler(tensor([[float(raw)]]), tensor([[False]]))
            theirs = min(10.0, max(-10.0, float(theirs)))
            assert float(ours) == pytest.approx(theirs, rel=1e-4, abs=1e-5)

    def test_divides_by_the_deviation_without_shifting(self) -> None:
        scaler = RewardScaler(1, gamma=0.0)
        rewards = tensor([[1.0], [3.0], [1.0], [3.0]])
        result = scaler(rewards, torch.zeros(4, 1, dtype=torch.bool))
        assert result.flatten().tolist() == pytest.approx(
            (rewards.flatten() / scaler.var.sqrt()).tolist(), rel=1e-6
        )
        assert float(scaler.var) == pytest.approx(1.0, rel=1e-2)

    def test_clips_at_ten(self) -> None:
        scaler = RewardScaler(1, gamma=0.99)
        scaler(torch.zeros(1000, 1), torch.zeros(1000, 1, dtype=torch.bool))
        assert float(scaler(tensor([[-100.0]]), tensor([[True]]))) == -10.0
