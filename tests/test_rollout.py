"""The collector against an engine whose every number is known."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from bipedal.history import FrameStack
from bipedal.networks import Actor, Critic, gaussian_log_prob
from bipedal.normalizer import ObservationNormalizer, RewardScaler
from bipedal.policy import Policy
from bipedal.rollout import Collector
from bipedal.shaping import Shaping
from bipedal.walker import Step


class CountingEngine:
    """Observation = (environment, episode, timestep); episodes end as `ends` says.

    `ends[environment]` maps a timestep of an episode to "terminated", "truncated" or "both".
    """

    device = torch.device("cpu")

    def __init__(self, ends: list[dict[int, str]], fall: bool = True) -> None:
        self.num_envs = len(ends)
        self.ends = ends
        self.fall = fall
        self.actions: list[Tensor] = []

    def _observation(self) -> Tensor:
        return torch.stack([torch.arange(self.num_envs), self.episode, self.time], dim=1).float()

    def reset(self) -> Tensor:
        self.episode = torch.zeros(self.num_envs, dtype=torch.int64)
        self.time = torch.zeros(self.num_envs, dtype=torch.int64)
        return self._observation()

    def step(self, actions: Tensor) -> Step:
        self.actions.append(actions.clone())
        self.time += 1
        final = self._observation()
        kinds = [ends.get(int(t), "") for ends, t in zip(self.ends, self.time, strict=True)]
        terminated = torch.tensor([kind in ("terminated", "both") for kind in kinds])
        truncated = torch.tensor([kind in ("truncated", "both") for kind in kinds])
        reward = torch.where(terminated & self.fall, -100.0, self.time.double())
        distance = 0.5 * self.time.double()
        over = terminated | truncated
        self.episode[over] += 1
        self.time[over] = 0
        return Step(self._observation(), reward, terminated, truncated, final, distance)

    def state(self) -> dict[str, Tensor]:
        return {"episode": self.episode.clone(), "time": self.time.clone()}

    def restore(self, state: Mapping[str, Tensor]) -> Tensor:
        self.episode, self.time = state["episode"].clone(), state["time"].clone()
        return self._observation()

    def close(self) -> None:
        pass


def make_policy(frames: int = 1) -> Policy:
    torch.manual_seed(0)
    actor, critic = Actor(3 * frames, 2, hidden_sizes=(4,)), Critic(3 * frames, hidden_sizes=(4,))
    return Policy(actor, critic, ObservationNormalizer((3,)), FrameStack(frames))


def make_collector(
    engine: CountingEngine,
    steps: int,
    policy: Policy | None = None,
    *,
    reward_floor: float = -100.0,
    endless_course: bool = False,
) -> Collector:
    return Collector(
        engine,
        policy or make_policy(),
        RewardScaler(engine.num_envs, gamma=0.9),
        steps=steps,
        generator=torch.Generator().manual_seed(0),
        shaping=Shaping(reward_floor, posture_cost=0.0, torque_share=0.0),
        endless_course=endless_course,
    )


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Observations reach the networks as they are."""
    monkeypatch.setattr(ObservationNormalizer, "update", lambda self, batch: None)


@pytest.mark.usefixtures("frozen")
class TestCollect:
    def test_rows_are_what_the_policy_saw(self) -> None:
        engine = CountingEngine([{3: "terminated"}, {}])
        rollout, _ = make_collector(engine, 5).collect()
        # environment, episode, timestep; the second episode begins at row 3
        expected = [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 0], [0, 1, 1]]
        assert rollout.observations[:, 0].tolist() == expected
        assert rollout.observations[:, 1].tolist() == [[1, 0, t] for t in range(5)]
        assert rollout.terminated[:, 0].tolist() == [False, False, True, False, False]
        assert not rollout.done[:, 1].any()

    def test_a_memory_is_in_the_rows_and_in_the_values(self) -> None:
        policy = make_policy(frames=2)
        engine = CountingEngine([{2: "truncated"}])
        rollout, _ = make_collector(engine, 3, policy).collect()
        expected = [[0, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0], [0, 1, 0, 0, 1, 0]]
        assert rollout.observations[:, 0].tolist() == expected
        # row 1 was cut off after (0, 0, 2), which has (0, 0, 1) behind it
        following = [expected[1], [0, 0, 2, 0, 0, 1], [0, 1, 1, 0, 1, 0]]
        torch.testing.assert_close(
            rollout.next_values[:, 0], policy.critic(torch.tensor(following, dtype=torch.float32))
        )

    def test_next_values(self) -> None:
        """After a row: the next row; at a time limit: the final observation; last: the waiting."""
        engine = CountingEngine([{2: "truncated"}, {}])
        critic = make_policy().critic
        rollout, _ = make_collector(engine, 3).collect()
        seen = {
            0: [[0, 0, 1], [0, 0, 2], [0, 1, 1]],  # row 1: (0, 0, 2) was final, not (0, 1, 0)
            1: [[1, 0, 1], [1, 0, 2], [1, 0, 3]],
        }
        for env, observations in seen.items():
            expected = critic(torch.tensor(observations, dtype=torch.float32))
            torch.testing.assert_close(rollout.next_values[:, env], expected)
        torch.testing.assert_close(rollout.values, critic(rollout.observations))

    def test_truncation_in_the_last_row(self) -> None:
        engine = CountingEngine([{2: "truncated"}])
        critic = make_policy().critic
        rollout, _ = make_collector(engine, 2).collect()
        expected = critic(torch.tensor([0.0, 0.0, 2.0]))
        torch.testing.assert_close(rollout.next_values[1, 0], expected)

    def test_a_fall_on_the_last_timestep_is_a_termination(self) -> None:
        rollout, episodes = make_collector(CountingEngine([{2: "both"}]), 3).collect()
        assert rollout.terminated[:, 0].tolist() == [False, True, False]
        assert rollout.done[:, 0].tolist() == [False, True, False]
        assert episodes[0].fell

    def test_log_probabilities_belong_to_the_actions_sent(self) -> None:
        engine = CountingEngine([{}, {}])
        actor = make_policy().actor
        rollout, _ = make_collector(engine, 4).collect()
        assert torch.equal(torch.stack(engine.actions), rollout.actions)
        expected = gaussian_log_prob(
            actor(rollout.observations), actor.bounded_log_std(), rollout.actions
        )
        torch.testing.assert_close(rollout.log_probs, expected.detach())
        assert not rollout.log_probs.requires_grad and not rollout.values.requires_grad

    def test_episode_statistics(self) -> None:
        engine = CountingEngine([{3: "terminated"}, {2: "truncated"}])
        collector = make_collector(engine, 3)
        _, episodes = collector.collect()
        _, later = collector.collect()
        later = later[:1]
        # environment 1: 1 + 2; environment 0: 1 + 2 − 100; environment 1 again, across rollouts
        assert [e.episodic_return for e in (*episodes, *later)] == [3.0, -97.0, 3.0]
        assert [e.length for e in (*episodes, *later)] == [2, 3, 2]
        assert [e.distance for e in (*episodes, *later)] == [1.0, 1.5, 1.0]
        assert [e.fell for e in (*episodes, *later)] == [False, True, False]
        assert [e.env for e in (*episodes, *later)] == [1, 0, 1]

    def test_reaching_the_far_end_is_no_fall(self) -> None:
        engine = CountingEngine([{2: "terminated"}], fall=False)
        _, episodes = make_collector(engine, 2).collect()
        assert not episodes[0].fell

    @pytest.mark.parametrize("endless", [False, True])
    def test_the_far_end_of_an_endless_course_is_a_truncation(self, endless: bool) -> None:
        engine = CountingEngine([{2: "terminated"}], fall=False)
        critic = make_policy().critic
        collector = make_collector(engine, 3, endless_course=endless)
        rollout, episodes = collector.collect()
        assert rollout.done[:, 0].tolist() == [False, True, False]
        assert rollout.terminated[:, 0].tolist() == [False, not endless, False]
        # (0, 0, 2) was there; without it stands V of the next episode's (0, 1, 0), left out by GAE
        followed = torch.tensor([0.0, 0.0, 2.0] if endless else [0.0, 1.0, 0.0])
        torch.testing.assert_close(rollout.next_values[1, 0], critic(followed))
        assert [episode.episodic_return for episode in episodes] == [3.0]

    def test_a_fall_on_an_endless_course_is_a_termination(self) -> None:
        collector = make_collector(CountingEngine([{2: "both"}]), 3, endless_course=True)
        rollout, episodes = collector.collect()
        assert rollout.terminated[:, 0].tolist() == [False, True, False]
        assert episodes[0].fell


def test_a_floor_softens_the_fall_and_leaves_the_return_raw(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RewardScaler, "forward", lambda self, rewards, done: rewards)
    collector = make_collector(CountingEngine([{3: "terminated"}]), 4, reward_floor=-10.0)
    rollout, episodes = collector.collect()
    assert rollout.rewards[:, 0].tolist() == [1.0, 2.0, -10.0, 1.0]
    assert episodes[0].episodic_return == 1.0 + 2.0 - 100.0
    assert episodes[0].fell


def test_statistics_count_every_observation_once() -> None:
    collector = make_collector(CountingEngine([{3: "terminated"}, {}]), 5)
    collector.collect()
    assert float(collector.policy.normalizer.count) == pytest.approx(2 * 5, abs=1e-3)
    assert float(collector.policy.normalizer.mean[0]) == pytest.approx(0.5, abs=1e-4)
    assert float(collector.reward_scaler.count) == pytest.approx(2 * 5, abs=1e-3)


def test_a_restored_collector_goes_on_bit_for_bit() -> None:
    ends = [{3: "terminated"}, {4: "truncated"}]
    collector = make_collector(CountingEngine(ends), 5)
    collector.collect()
    state, noise = collector.state(), collector.generator.get_state()
    expected, expected_episodes = collector.collect()

    other = make_collector(CountingEngine(ends), 5)
    other.restore(state)
    other.generator.set_state(noise)
    result, episodes = other.collect()
    assert episodes == expected_episodes
    for name, column in result._asdict().items():
        assert torch.equal(column, getattr(expected, name)), name
