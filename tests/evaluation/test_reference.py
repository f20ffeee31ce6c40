"""What is said of a score that Gymnasium does not find."""

import dataclasses

import pytest

from bipedal.evaluation import reference
from bipedal.evaluation.reference import compare_with_gymnasium
from bipedal.evaluation.score import Evaluation, evaluate
from bipedal.policy import Policy


def test_returns_that_differ_are_counted(model: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    played = evaluate(model, episodes=3)
    theirs = {episode.seed: episode.episodic_return for episode in played.episodes}
    theirs[1] -= 0.5
    monkeypatch.setattr(reference, "return_in_gymnasium", lambda _, env_id, seed: theirs[seed])
    assert compare_with_gymnasium(model, played) == {
        "episodes": 3,
        "identical": 2,
        "largest_difference": 0.5,
    }


@pytest.mark.reference
def test_gymnasium_plays_the_episodes_of_the_score(model: Policy) -> None:
    played = evaluate(model, "BipedalWalkerHardcore-v3", episodes=2, seed=8)
    found = compare_with_gymnasium(model, played)
    assert (found["identical"], found["largest_difference"]) == (2, 0.0)
    other = Evaluation(
        played.env_id, 8, [dataclasses.replace(episode, seed=5) for episode in played.episodes]
    )
    assert compare_with_gymnasium(model, other)["identical"] == 0
