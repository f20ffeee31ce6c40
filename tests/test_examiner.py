"""What steers a run: the same questions to both examiners."""

import pytest
import torch

from bipedal import examiner
from bipedal.checkpoint import Model, load_model
from bipedal.examiner import (
    EXAMINERS,
    GREEDY_GAINS,
    SUMMARY_COLUMNS,
    EngineExaminer,
    on_cpu,
    with_gain,
)


@pytest.fixture(scope="module")
def walker() -> Model:
    return load_model("pretrained:walker")


@pytest.mark.parametrize("engine", EXAMINERS)
def test_an_evaluation_tells_the_same_columns(engine: str, walker: Model) -> None:
    ours = EXAMINERS[engine]("BipedalWalker-v3", 2)
    try:
        row, gain = ours.evaluate(walker)
    finally:
        ours.close()
    assert set(SUMMARY_COLUMNS) <= row.keys()
    assert float(row["mean_return"]) > 150.0
    assert gain in GREEDY_GAINS
    assert ("gait/class" in row) == (engine == "gymnasium")


def test_the_gain_that_does_best_is_found() -> None:
    """A walker whose last layer is far too strong is best scaled down."""
    model = with_gain(load_model("pretrained:walker"), 2.5)
    ours = EngineExaminer("BipedalWalker-v3", 16)
    try:
        row, gain = ours.evaluate(model)
    finally:
        ours.close()
    assert gain == row["gain"] == min(GREEDY_GAINS)


def test_a_confirmation_plays_enough_episodes_on_other_terrains(
    walker: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []
    play = examiner.play_trials

    def watch(*args: object) -> object:
        seeds.append(args[3])  # type: ignore[arg-type]
        return play(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(examiner, "play_trials", watch)
    monkeypatch.setattr(examiner, "CONFIRMING_EPISODES", 10)
    ours = EngineExaminer("BipedalWalker-v3", 2)  # six environments: two rounds
    try:
        mean, std = ours.confirm(walker, 1.0)
    finally:
        ours.close()
    assert seeds == [examiner.CONFIRMING_SEED, examiner.CONFIRMING_SEED + 1]
    assert 200.0 < mean < 330.0 and std >= 0.0


def test_a_gain_leaves_the_model_itself_alone(walker: Model) -> None:
    before = {name: value.clone() for name, value in walker.actor.state_dict().items()}
    scaled = with_gain(walker, 0.5)
    for name, value in walker.actor.state_dict().items():
        assert torch.equal(value, before[name])
    assert torch.equal(scaled.actor.state_dict()["net.6.weight"], 0.5 * before["net.6.weight"])
    assert with_gain(walker, 1.0) is walker
    assert on_cpu(walker) is walker
