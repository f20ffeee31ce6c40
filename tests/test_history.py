"""What a policy with a memory is shown, by hand and against a list of everything seen."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from bipedal.history import FrameStack, History


def numbers(*values: float) -> torch.Tensor:
    """Observations (N, 1) of N environments."""
    return torch.tensor(values)[:, None]


def shown(history: History) -> list[list[float]]:
    return history.frames().squeeze(-1).tolist()


def test_frames_are_so_many_timesteps_apart() -> None:
    history = History(FrameStack(frames=3, stride=2), numbers(0.0))
    for value in (1.0, 2.0, 3.0, 4.0, 5.0):
        history.push(numbers(value), torch.tensor([False]))
    assert shown(history) == [[5.0, 3.0, 1.0]]


def test_the_first_observation_stands_in_for_those_before() -> None:
    history = History(FrameStack(frames=3, stride=2), numbers(7.0))
    assert shown(history) == [[7.0, 7.0, 7.0]]
    history.push(numbers(8.0), torch.tensor([False]))
    assert shown(history) == [[8.0, 7.0, 7.0]]
    history.push(numbers(9.0), torch.tensor([False]))
    assert shown(history) == [[9.0, 7.0, 7.0]]


def test_an_episode_remembers_nothing_of_the_one_before() -> None:
    history = History(FrameStack(frames=2), numbers(1.0, 10.0))
    history.push(numbers(2.0, 20.0), torch.tensor([True, False]))
    assert shown(history) == [[2.0, 2.0], [20.0, 10.0]]


def test_looking_ahead_changes_nothing() -> None:
    history = History(FrameStack(frames=3), numbers(1.0, 10.0))
    history.push(numbers(2.0, 20.0), torch.tensor([False, False]))
    before = shown(history)
    ahead = history.frames_after(numbers(98.0, 99.0))
    assert ahead.squeeze(-1).tolist() == [[98.0, 2.0, 1.0], [99.0, 20.0, 10.0]]
    assert shown(history) == before


@given(
    frames=st.integers(1, 4),
    stride=st.integers(1, 3),
    begun=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=20),
    saved_after=st.integers(0, 20),
)
def test_it_is_a_list_of_all_that_an_episode_saw(
    frames: int, stride: int, begun: list[tuple[bool, bool]], saved_after: int
) -> None:
    stack = FrameStack(frames, stride)
    seen = [[0.0], [0.5]]
    history = History(stack, numbers(0.0, 0.5))
    for time, anew in enumerate(begun, start=1):
        history.push(numbers(time, time + 0.5), torch.tensor(anew))
        for env in range(2):
            seen[env] = [*([] if anew[env] else seen[env]), time + 0.5 * env]
        if time == saved_after:
            state = history.state()
            history = History(stack, numbers(-1.0, -1.0))
            history.restore(state)
        expected = [
            [episode[max(0, len(episode) - 1 - frame * stride)] for frame in range(frames)]
            for episode in seen
        ]
        assert shown(history) == expected
