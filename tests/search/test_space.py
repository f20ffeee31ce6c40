"""What a search may change: read from a file, or refused in one sentence."""

from pathlib import Path

import pytest

from bipedal.config import TrainConfig
from bipedal.errors import UserError
from bipedal.search.space import DEFAULT_SPACE, Choice, Range, distributions, read_space

optuna = pytest.importorskip("optuna")


def space_of(tmp_path: Path, text: str) -> object:
    path = tmp_path / "space.toml"
    path.write_text(text)
    return read_space(path)


def test_a_space_is_read_with_the_types_of_its_fields(tmp_path: Path) -> None:
    text = """
    policy_learning_rate = { low = 1e-4, high = 1, log = true }
    epochs = { low = 2, high = 10 }
    hidden_sizes = { choices = [[32], [64, 64]] }
    layer_norm = { choices = [true, false] }
    """
    assert space_of(tmp_path, text) == {
        "policy_learning_rate": Range(1e-4, 1.0, log=True),
        "epochs": Range(2, 10),
        "hidden_sizes": Choice(((32,), (64, 64))),
        "layer_norm": Choice((True, False)),
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "names no hyperparameter"),
        ("gamma = [", "is not TOML"),
        ("gama = { low = 0.9, high = 1 }", "'gama' is no hyperparameter: perhaps you meant gamma"),
        ("seed = { low = 0, high = 9 }", "'seed' is no hyperparameter"),
        ("gamma = 0.9", "gamma needs low and high, or choices"),
        ("gamma = { low = 0.9 }", "gamma needs low and high, or choices"),
        ("gamma = { low = 0.9, high = 0.99, step = 1 }", "gamma needs low and high, or choices"),
        ("gamma = { choices = [] }", "gamma needs low and high, or choices"),
        ("gamma = { low = 0.9, high = 0.8 }", "gamma needs low < high"),
        ("gamma = { low = 0, high = 0.8, log = true }", "a low above 0"),
        ("gamma = { low = 0.1, high = 0.8, log = 1 }", "gamma needs low < high"),
        ("gamma = { low = 'a', high = 0.8 }", "gamma cannot be 'a'"),
        ("gamma = { low = nan, high = 0.8 }", "gamma needs low < high"),
        ("epochs = { low = 1.5, high = 3 }", "epochs cannot be 1.5"),
        ("epochs = { choices = [1, 'two'] }", "epochs cannot be 'two'"),
        ("activation = { low = 1, high = 2 }", "activation is no number: give it choices"),
        ("layer_norm = { low = 0, high = 1 }", "layer_norm is no number: give it choices"),
    ],
)
def test_what_is_no_space_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        space_of(tmp_path, text)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_whole_numbers_are_drawn_for_whole_fields() -> None:
    drawn = distributions({"epochs": Range(2, 3), "gamma": Range(0.9, 0.99)})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        parameters = study.ask(drawn).params
        assert parameters["epochs"] in (2, 3)
        assert isinstance(parameters["epochs"], int)
        assert 0.9 <= parameters["gamma"] <= 0.99


def test_a_choice_and_its_place_are_each_others_undoing() -> None:
    choice = Choice(((32,), (64, 64)))
    assert [choice.value(choice.parameter(value)) for value in choice.values] == [(32,), (64, 64)]
    with pytest.raises(ValueError):
        choice.parameter((128,))


def test_the_default_space_holds_the_default_preset() -> None:
    config = TrainConfig()
    for name, entry in DEFAULT_SPACE.items():
        value = getattr(config, name)
        if isinstance(entry, Range):
            assert entry.low <= value <= entry.high
        else:
            assert value in entry.values
