"""What steers a run: the same questions to both examiners."""

from contextlib import closing

import numpy as np
import numpy.typing as npt
import pytest
import torch

from bipedal.checkpoint import Model, load_model
from bipedal.evaluation.selection import (
    EXAMINERS,
    GREEDY_GAINS,
    Answer,
    EngineExaminer,
    confirm,
    on_cpu,
    with_gain,
)


@pytest.fixture(scope="module")
def walker() -> Model:
    return load_model("pretrained:walker")


@pytest.mark.parametrize("engine", EXAMINERS)
def test_an_evaluation_tells_the_same_columns(engine: str, walker: Model) -> None:
    with closing(EXAMINERS[engine]("BipedalWalker-v3", 2)) as ours:
        row, gain = ours.evaluate(walker)
    assert row.keys() >= {
        "mean_return", "std_return", "min_return", "max_return", "fall_rate", "mean_length",
        "mean_speed",
    }  # fmt: skip
    assert float(row["mean_return"]) > 150.0
    assert gain in GREEDY_GAINS
    assert ("gait/class" in row) == (engine == "gymnasium")


@pytest.mark.parametrize("engine", EXAMINERS)
def test_on_hardcore_it_tells_what_was_crossed(engine: str, walker: Model) -> None:
    with closing(EXAMINERS[engine]("BipedalWalkerHardcore-v3", 4)) as ours:
        row, _ = ours.evaluate(walker)
    shares = [float(row[f"crossed/{kind}"]) for kind in ("stump", "stairs", "pit")]
    assert all(share <= 1.0 for share in shares if share == share)  # NaN where none was met
    assert any(share < 1.0 for share in shares)  # it has only ever seen flat ground


def test_the_gain_that_does_best_is_found() -> None:
    """A walker whose last layer is far too strong is best scaled down."""
    model = with_gain(load_model("pretrained:walker"), 2.5)
    with closing(EngineExaminer("BipedalWalker-v3", 16)) as ours:
        row, gain = ours.evaluate(model)
    assert gain == row["gain"] == min(GREEDY_GAINS)


@pytest.mark.parametrize("engine", EXAMINERS)
def test_the_parts_of_a_confirmation_are_other_terrains(engine: str, walker: Model) -> None:
    with closing(EXAMINERS[engine]("BipedalWalker-v3", 2)) as ours:
        parts = [ours.play(walker, 1.0, part).tolist() for part in (0, 1)]
        again = ours.play(walker, 1.0, 0).tolist()
        weaker = ours.play(walker, 0.3, 0).tolist()
    assert parts[0] == again
    assert not set(parts[0]) & set(parts[1])
    assert parts[0] != weaker


class Scripted:
    """Plays parts of 200 episodes whose returns are given."""

    def __init__(self, *parts: list[float]) -> None:
        self.parts = parts
        self.played: list[int] = []

    def evaluate(self, model: Model) -> Answer:
        raise NotImplementedError

    def play(self, model: Model, gain: float, part: int) -> npt.NDArray[np.float64]:
        self.played.append(part)
        return np.array(self.parts[part] * 100)

    def close(self) -> None:
        raise NotImplementedError


def test_a_confirmation_needs_a_margin(walker: Model) -> None:
    """Returns of 290 and 320: deviation 15, of which two tenths are 3."""
    steady = Scripted([290.0, 320.0], [290.0, 320.0])
    assert confirm(steady, walker, 1.0, threshold=302.0) == 305.0
    assert steady.played == [0, 1]  # 384 episodes, and what is left of the last part
    assert confirm(steady, walker, 1.0, threshold=302.1) is None


def test_a_confirmation_gives_up_early(walker: Model) -> None:
    poor = Scripted([299.0, 300.0], [400.0, 400.0])
    assert confirm(poor, walker, 1.0, threshold=300.0) is None
    assert poor.played == [0]


def test_a_gain_leaves_the_model_itself_alone(walker: Model) -> None:
    before = {name: value.clone() for name, value in walker.actor.state_dict().items()}
    scaled = with_gain(walker, 0.5)
    for name, value in walker.actor.state_dict().items():
        assert torch.equal(value, before[name])
    assert torch.equal(scaled.actor.state_dict()["net.6.weight"], 0.5 * before["net.6.weight"])
    assert with_gain(walker, 1.0) is walker
    assert on_cpu(walker) is walker
