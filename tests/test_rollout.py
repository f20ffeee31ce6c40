"""The collector against an engine whose every number is known."""

import numpy as np
import pytest
import torch

from bipedal.config import Memory
from bipedal.networks import Actor, Critic, gaussian_log_prob
from bipedal.normalizer import ObservationNormalizer, RewardScaler
from bipedal.rollout import Collector
from bipedal.walker import EngineState, FloatArray, Step

LATEST = Memory()


class CountingEngine:
    """Observation = (environment, episode, timestep); episodes end as `ends` says.

    `ends[environment]` maps a timestep of an episode to "terminated", "truncated" or "both".
    """

    def __init__(self, ends: list[dict[int, str]], fall: bool = True) -> None:
        self.num_envs = len(ends)
        self.ends = ends
        self.fall = fall
        self.actions: list[FloatArray] = []

    def _observation(self) -> FloatArray:
        index = np.arange(self.num_envs)
        return np.stack([index, self.episode, self.time], axis=1).astype(np.float32)

    def reset(self) -> FloatArray:
        self.episode = np.zeros(self.num_envs)
        self.time = np.zeros(self.num_envs)
        return self._observation()

    def step(self, actions: FloatArray) -> Step:
        self.actions.append(actions.copy())
        self.time += 1
        final = self._observation()
        kinds = [ends.get(int(t), "") for ends, t in zip(self.ends, self.time, strict=True)]
        terminated = np.array([kind in ("terminated", "both") for kind in kinds])
        truncated = np.array([kind in ("truncated", "both") for kind in kinds])
        reward = np.where(terminated & self.fall, -100.0, self.time)
        distance = 0.5 * self.time
        over = terminated | truncated
        self.episode[over] += 1
        self.time[over] = 0
        return Step(self._observation(), reward, terminated, truncated, final, distance)

    def state(self) -> EngineState:
        return {"episode": self.episode.copy(), "time": self.time.copy()}

    def restore(self, state: EngineState) -> FloatArray:
        self.episode, self.time = state["episode"].copy(), state["time"].copy()
        return self._observation()

    def close(self) -> None:
        pass


def make_collector(
    engine: CountingEngine,
    steps: int,
    reward_floor: float = -100.0,
    endless_course: bool = False,
    memory: Memory = LATEST,
) -> Collector:
    return Collector(
        engine,
        ObservationNormalizer((3,)),
        RewardScaler(engine.num_envs, gamma=0.9),
        action_dim=2,
        steps=steps,
        device=torch.device("cpu"),
        generator=torch.Generator().manual_seed(0),
        reward_floor=reward_floor,
        endless_course=endless_course,
        memory=memory,
    )


@pytest.fixture
def networks() -> tuple[Actor, Critic]:
    torch.manual_seed(0)
    return Actor(3, 2, hidden_sizes=(4,)), Critic(3, hidden_sizes=(4,))


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Observations reach the networks as they are."""
    monkeypatch.setattr(ObservationNormalizer, "update", lambda self, batch: None)


@pytest.mark.usefixtures("frozen")
class TestCollect:
    def test_rows_are_what_the_policy_saw(self, networks: tuple[Actor, Critic]) -> None:
        engine = CountingEngine([{3: "terminated"}, {}])
        rollout, _ = make_collector(engine, 5).collect(*networks)
        # environment, episode, timestep; the second episode begins at row 3
        expected = [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 0], [0, 1, 1]]
        assert rollout.observations[:, 0].tolist() == expected
        assert rollout.observations[:, 1].tolist() == [[1, 0, t] for t in range(5)]
        assert rollout.terminated[:, 0].tolist() == [False, False, True, False, False]
        assert not rollout.done[:, 1].any()

    def test_a_memory_is_in_the_rows_and_in_the_values(self) -> None:
        torch.manual_seed(0)
        actor, critic = Actor(6, 2, hidden_sizes=(4,)), Critic(6, hidden_sizes=(4,))
        engine = CountingEngine([{2: "truncated"}])
        collector = make_collector(engine, 3, memory=Memory(frames=2))
        rollout, _ = collector.collect(actor, critic)
        expected = [[0, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0], [0, 1, 0, 0, 1, 0]]
        assert rollout.observations[:, 0].tolist() == expected
        # row 1 was cut off after (0, 0, 2), which has (0, 0, 1) behind it
        following = [expected[1], [0, 0, 2, 0, 0, 1], [0, 1, 1, 0, 1, 0]]
        torch.testing.assert_close(
            rollout.next_values[:, 0], critic(torch.tensor(following, dtype=torch.float32))
        )

    def test_next_values(self, networks: tuple[Actor, Critic]) -> None:
        """After a row: the next row; at a time limit: the final observation; last: the waiting."""
        engine = CountingEngine([{2: "truncated"}, {}])
        actor, critic = networks
        rollout, _ = make_collector(engine, 3).collect(actor, critic)
        seen = {
            0: [[0, 0, 1], [0, 0, 2], [0, 1, 1]],  # row 1: (0, 0, 2) was final, not (0, 1, 0)
            1: [[1, 0, 1], [1, 0, 2], [1, 0, 3]],
        }
        for env, observations in seen.items():
            expected = critic(torch.tensor(observations, dtype=torch.float32))
            torch.testing.assert_close(rollout.next_values[:, env], expected)
        torch.testing.assert_close(rollout.values, critic(rollout.observations))

    def test_truncation_in_the_last_row(self, networks: tuple[Actor, Critic]) -> None:
        engine = CountingEngine([{2: "truncated"}])
        _, critic = networks
        rollout, _ = make_collector(engine, 2).collect(*networks)
        expected = critic(torch.tensor([0.0, 0.0, 2.0]))
        torch.testing.assert_close(rollout.next_values[1, 0], expected)

    def test_a_fall_on_the_last_timestep_is_a_termination(
        self, networks: tuple[Actor, Critic]
    ) -> None:
        rollout, episodes = make_collector(CountingEngine([{2: "both"}]), 3).collect(*networks)
        assert rollout.terminated[:, 0].tolist() == [False, True, False]
        assert rollout.done[:, 0].tolist() == [False, True, False]
        assert episodes[0].fell

    def test_log_probabilities_belong_to_the_actions_sent(
        self, networks: tuple[Actor, Critic]
    ) -> None:
        engine = CountingEngine([{}, {}])
        actor, _ = networks
        rollout, _ = make_collector(engine, 4).collect(*networks)
        np.testing.assert_array_equal(np.array(engine.actions), rollout.actions.numpy())
        expected = gaussian_log_prob(
            actor(rollout.observations), actor.bounded_log_std(), rollout.actions
        )
        torch.testing.assert_close(rollout.log_probs, expected.detach())
        assert not rollout.log_probs.requires_grad and not rollout.values.requires_grad

    def test_episode_statistics(self, networks: tuple[Actor, Critic]) -> None:
        engine = CountingEngine([{3: "terminated"}, {2: "truncated"}])
        collector = make_collector(engine, 3)
        _, episodes = collector.collect(*networks)
        _, later = collector.collect(*networks)
        later = later[:1]
        # environment 1: 1 + 2; environment 0: 1 + 2 − 100; environment 1 again, across rollouts
        assert [e.episodic_return for e in (*episodes, *later)] == [3.0, -97.0, 3.0]
        assert [e.length for e in (*episodes, *later)] == [2, 3, 2]
        assert [e.distance for e in (*episodes, *later)] == [1.0, 1.5, 1.0]
        assert [e.fell for e in (*episodes, *later)] == [False, True, False]
        assert [e.env for e in (*episodes, *later)] == [1, 0, 1]

    def test_reaching_the_far_end_is_no_fall(self, networks: tuple[Actor, Critic]) -> None:
        engine = CountingEngine([{2: "terminated"}], fall=False)
        _, episodes = make_collector(engine, 2).collect(*networks)
        assert not episodes[0].fell

    @pytest.mark.parametrize("endless", [False, True])
    def test_the_far_end_of_an_endless_course_is_a_truncation(
        self, networks: tuple[Actor, Critic], endless: bool
    ) -> None:
        engine = CountingEngine([{2: "terminated"}], fall=False)
        _, critic = networks
        collector = make_collector(engine, 3, endless_course=endless)
        rollout, episodes = collector.collect(*networks)
        assert rollout.done[:, 0].tolist() == [False, True, False]
        assert rollout.terminated[:, 0].tolist() == [False, not endless, False]
        # (0, 0, 2) was there; without it stands V of the next episode's (0, 1, 0), left out by GAE
        followed = torch.tensor([0.0, 0.0, 2.0] if endless else [0.0, 1.0, 0.0])
        torch.testing.assert_close(rollout.next_values[1, 0], critic(followed))
        assert [episode.episodic_return for episode in episodes] == [3.0]

    def test_a_fall_on_an_endless_course_is_a_termination(
        self, networks: tuple[Actor, Critic]
    ) -> None:
        collector = make_collector(CountingEngine([{2: "both"}]), 3, endless_course=True)
        rollout, episodes = collector.collect(*networks)
        assert rollout.terminated[:, 0].tolist() == [False, True, False]
        assert episodes[0].fell


def test_a_floor_softens_the_fall_and_leaves_the_return_raw(
    networks: tuple[Actor, Critic], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RewardScaler, "forward", lambda self, rewards, done: rewards)
    collector = make_collector(CountingEngine([{3: "terminated"}]), 4, reward_floor=-10.0)
    rollout, episodes = collector.collect(*networks)
    assert rollout.rewards[:, 0].tolist() == [1.0, 2.0, -10.0, 1.0]
    assert episodes[0].episodic_return == 1.0 + 2.0 - 100.0
    assert episodes[0].fell


def test_statistics_count_every_observation_once(networks: tuple[Actor, Critic]) -> None:
    collector = make_collector(CountingEngine([{3: "terminated"}, {}]), 5)
    collector.collect(*networks)
    assert float(collector.normalizer.count) == pytest.approx(2 * 5, abs=1e-3)
    assert float(collector.normalizer.mean[0]) == pytest.approx(0.5, abs=1e-4)
    assert float(collector.reward_scaler.count) == pytest.approx(2 * 5, abs=1e-3)


def test_a_restored_collector_goes_on_bit_for_bit(networks: tuple[Actor, Critic]) -> None:
    ends = [{3: "terminated"}, {4: "truncated"}]
    collector = make_collector(CountingEngine(ends), 5)
    collector.collect(*networks)
    state, noise = collector.state(), collector.generator.get_state()
    expected, expected_episodes = collector.collect(*networks)

    other = make_collector(CountingEngine(ends), 5)
    other.restore(state)
    other.generator.set_state(noise)
    result, episodes = other.collect(*networks)
    assert episodes == expected_episodes
    for name, column in result._asdict().items():
        assert torch.equal(column, getattr(expected, name)), name
