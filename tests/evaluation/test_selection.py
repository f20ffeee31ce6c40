"""What steers a run: what an evaluator finds, and what is made of it."""

import copy
import dataclasses
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import numpy.typing as npt
import pytest

from bipedal.checkpoint import load_model
from bipedal.config import TrainConfig
from bipedal.device import CPU
from bipedal.evaluation import selection
from bipedal.evaluation.gait import GaitClass
from bipedal.evaluation.score import Evaluation, evaluate
from bipedal.evaluation.selection import (
    GREEDY_GAINS,
    Evaluator,
    Result,
    Selection,
    is_hopeless,
    sure_mean,
)
from bipedal.policy import Policy
from bipedal.seeds import CONFIRMATION_SEED, EVALUATION_SEED
from bipedal.walker import HARDCORE_ID, WALKER_ID


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Evaluator]:
    with closing(Evaluator(WALKER_ID, 2)) as ours:
        yield ours


@pytest.fixture(scope="module")
def walker() -> Policy:
    return load_model("pretrained:walker")


def with_noise(policy: Policy, std: float) -> Policy:
    """The same policy, its actor a copy with another standard deviation."""
    noisy = policy.share()
    noisy.actor = copy.deepcopy(policy.actor)
    noisy.actor.std_bounds = (std, std)
    return noisy


def test_an_evaluation_tells_of_returns_and_gait(evaluator: Evaluator, walker: Policy) -> None:
    row, mean_return, std_return, gain, _ = evaluator.evaluate(walker)
    assert row.keys() >= {
        "mean_return", "std_return", "min_return", "max_return", "fall_rate", "mean_length",
        "mean_speed",
    }  # fmt: skip
    assert row["mean_return"] == mean_return > 150.0
    assert row["std_return"] == std_return
    assert gain in GREEDY_GAINS
    assert row["gait/class"] in [kind.value for kind in GaitClass if kind is not GaitClass.FALLEN]
    assert 0.0 < float(row["gait/duty_factor"]) < 1.0


def test_on_hardcore_it_tells_what_was_crossed(walker: Policy) -> None:
    with closing(Evaluator(HARDCORE_ID, 4)) as ours:
        row = ours.evaluate(walker).row
    shares = [float(row[f"crossed/{kind}"]) for kind in ("stump", "stairs", "pit")]
    assert all(share <= 1.0 for share in shares if share == share)  # NaN where none was met
    assert any(share < 1.0 for share in shares)  # it has only ever seen flat ground


def test_the_gain_that_does_best_is_found() -> None:
    """A walker whose last layer is far too strong is best scaled down."""
    strong = load_model("pretrained:walker")
    strong.gain = 2.5
    strong = with_noise(strong.with_gain_in_weights(), 0.5)
    with closing(Evaluator(WALKER_ID, 16)) as ours:
        row, _, _, gain, _ = ours.evaluate(strong)
    assert gain == row["gain"] == min(GREEDY_GAINS)


def test_a_policy_with_little_noise_plays_all_episodes_as_it_is(walker: Policy) -> None:
    with closing(Evaluator(WALKER_ID, 2)) as ours:
        _, mean_return, _, gain, _ = ours.evaluate(with_noise(walker, 0.1))
    assert gain == 1.0
    expected = evaluate(walker, episodes=6, seed=EVALUATION_SEED).mean_return
    assert mean_return == pytest.approx(expected, abs=1.0)  # last bits of actions differ


def test_the_parts_of_a_confirmation_are_other_terrains(
    evaluator: Evaluator, walker: Policy
) -> None:
    parts = [evaluator.returns(walker, part).tolist() for part in (0, 1)]
    again = evaluator.returns(walker, 0).tolist()
    assert parts[0] == again
    assert not set(parts[0]) & set(parts[1])


def test_a_confirmation_is_played_with_the_gain_of_the_policy() -> None:
    weak = load_model("pretrained:walker")
    with closing(Evaluator(WALKER_ID, 2)) as ours:
        strong = ours.returns(weak, 0).tolist()
        weak.gain = 0.3
        assert ours.returns(weak, 0).tolist() != strong


class Scripted:
    """Plays parts of 200 episodes whose returns are given."""

    def __init__(self, *parts: list[float]) -> None:
        self.parts = parts
        self.played: list[int] = []
        self.evaluated = 0

    def evaluate(self, policy: Policy) -> Result:
        self.evaluated += 1
        return Result({}, 310.0, 1.0, 0.8, kneels=False)

    def returns(self, policy: Policy, part: int) -> npt.NDArray[np.float64]:
        self.played.append(part)
        return np.array(self.parts[part % len(self.parts)] * 100)

    def close(self) -> None:
        pass


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    evaluator = Scripted([302.0, 310.0], [302.0, 310.0])
    monkeypatch.setattr(selection, "make_evaluator", lambda config, device: evaluator)
    yield evaluator


def config_with(**changes: object) -> TrainConfig:
    return dataclasses.replace(TrainConfig(), **changes)  # type: ignore[arg-type]


def test_a_confirmation_needs_a_margin() -> None:
    """A deviation of 15, of which two tenths are 3."""
    assert sure_mean(305.0, 15.0) == pytest.approx(302.0)


@pytest.mark.parametrize(("extra", "hopeless"), [(-0.1, True), (0.1, False)])
def test_a_confirmation_that_has_begun_may_still_have_bad_luck(
    extra: float, hopeless: bool
) -> None:
    """At a deviation of 50, 100 episodes may have a mean 5 lower than that of all."""
    returns = np.array([305.0 - 50.0, 305.0 + 50.0] * 50) + extra
    assert is_hopeless(returns) == hopeless


def test_a_solved_run_is_confirmed_and_its_model_the_best(
    scripted: Scripted, walker: Policy
) -> None:
    ours = Selection(config_with())
    assert ours.confirm(walker)
    assert ours.solved and ours.best_return == 306.0
    assert scripted.played == [0]  # 192 episodes, and what is left of the part


def test_a_confirmation_gives_up_early(scripted: Scripted, walker: Policy) -> None:
    scripted.parts = ([299.0, 300.0], [400.0, 400.0])
    ours = Selection(config_with())
    assert not ours.confirm(walker)
    assert scripted.played == [0]


def test_every_attempt_at_a_confirmation_plays_other_terrains_also_after_a_resume(
    scripted: Scripted, walker: Policy
) -> None:
    scripted.parts = ([299.0, 300.0],)
    ours = Selection(config_with())
    for _ in range(2):
        assert not ours.confirm(walker)
    resumed = Selection(config_with())
    resumed.restore(ours.state())
    assert not resumed.confirm(walker)
    assert scripted.played == [0, 1, 2]


@pytest.mark.parametrize(
    ("changes", "mean_return", "std_return"),
    [({}, 302.9, 15.0), ({}, 299.9, 0.0), ({"stop_when_solved": False}, 320.0, 0.0)],
)
def test_what_does_not_look_solved_or_need_not_be_is_not_to_be_confirmed(
    changes: dict[str, object], mean_return: float, std_return: float
) -> None:
    ours = Selection(config_with(**changes))
    assert not ours.looks_solved(Result({}, mean_return, std_return, 1.0, kneels=False))
    assert Selection(config_with()).looks_solved(Result({}, 303.1, 15.0, 1.0, kneels=False))


def test_a_robot_that_kneels_is_not_solved(scripted: Scripted) -> None:
    assert not Selection(config_with()).looks_solved(Result({}, 330.0, 1.0, 1.0, kneels=True))


def test_an_evaluation_says_who_kneels(evaluator: Evaluator, walker: Policy) -> None:
    assert not evaluator.evaluate(walker).kneels
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Evaluation, "gait", lambda self: {"posture": "kneeling/crawling"})
        assert evaluator.evaluate(walker).kneels


def test_evaluations_come_at_their_interval_when_training_is_promising_and_at_the_end(
    scripted: Scripted, walker: Policy
) -> None:
    config = config_with(evaluation_interval=4, evaluation_min_return=100.0)
    ours = Selection(config)
    for iteration, training_return, evaluates in (
        (3, 200.0, False), (4, 99.0, False), (4, float("nan"), False), (8, 100.0, True),
        (config.iterations, -50.0, True),
    ):  # fmt: skip
        assert ours.is_due(iteration, training_return) == evaluates
    policy = walker.share()
    ours.evaluate(policy)
    assert policy.gain == 0.8


def test_what_it_finds_is_the_score_of_these_episodes(walker: Policy) -> None:
    """With each gain the same episodes are played, and the best gain's are told."""
    strong = walker.share()
    strong.gain = 0.8
    with closing(Evaluator(WALKER_ID, 2, (0.5, 0.8))) as ours:
        _, mean_return, _, gain, _ = ours.evaluate(with_noise(walker, 0.5))
        assert gain == 0.8
        expected = evaluate(strong, episodes=2, seed=EVALUATION_SEED).mean_return
        assert mean_return == pytest.approx(expected, abs=1.0)  # last bits of actions differ
        confirmed = evaluate(strong, episodes=4, seed=CONFIRMATION_SEED + 4).returns.tolist()
        assert ours.returns(strong, part=1).tolist() == pytest.approx(confirmed, abs=2.0)


def test_a_run_that_training_judges_is_evaluated_as_it_trains(walker: Policy) -> None:
    config = config_with(best_by="training", evaluation_episodes=1)
    evaluator = selection.make_evaluator(config, CPU)
    assert evaluator is not None
    with closing(evaluator):
        assert evaluator.evaluate(walker).gain == 1.0


def test_a_run_without_evaluations_has_no_evaluator() -> None:
    config = config_with(evaluation_interval=0, best_by="training")
    assert selection.make_evaluator(config, CPU) is None
    assert not Selection(config).is_due(12, 300.0)


def test_the_best_in_training_needs_half_a_window() -> None:
    ours = Selection(config_with(best_by="training", best_window=4, evaluation_interval=0))
    assert not ours.is_best_in_training([400.0])
    assert ours.is_best_in_training([100.0, 200.0])
    assert not ours.is_best_in_training([100.0, 200.0, 150.0])  # as good, not better
    assert ours.best_return == 150.0
    assert not Selection(config_with(evaluation_interval=12)).is_best_in_training([1.0] * 50)
