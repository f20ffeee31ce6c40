"""What a policy with a memory is shown, by hand and against a list of everything seen."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from bipedal.config import Memory
from bipedal.history import Recollection


def numbers(*values: float) -> torch.Tensor:
    """Observations (N, 1) of N environments."""
    return torch.tensor(values)[:, None]


def shown(recollection: Recollection) -> list[list[float]]:
    return recollection.recall().squeeze(-1).tolist()


def test_frames_are_so_many_timesteps_apart() -> None:
    recollection = Recollection(Memory(frames=3, stride=2), numbers(0.0))
    for value in (1.0, 2.0, 3.0, 4.0, 5.0):
        recollection.see(numbers(value), torch.tensor([False]))
    assert shown(recollection) == [[5.0, 3.0, 1.0]]


def test_the_first_observation_stands_in_for_those_before() -> None:
    recollection = Recollection(Memory(frames=3, stride=2), numbers(7.0))
    assert shown(recollection) == [[7.0, 7.0, 7.0]]
    recollection.see(numbers(8.0), torch.tensor([False]))
    assert shown(recollection) == [[8.0, 7.0, 7.0]]
    recollection.see(numbers(9.0), torch.tensor([False]))
    assert shown(recollection) == [[9.0, 7.0, 7.0]]


def test_an_episode_remembers_nothing_of_the_one_before() -> None:
    recollection = Recollection(Memory(frames=2), numbers(1.0, 10.0))
    recollection.see(numbers(2.0, 20.0), torch.tensor([True, False]))
    assert shown(recollection) == [[2.0, 2.0], [20.0, 10.0]]


def test_to_imagine_changes_nothing() -> None:
    recollection = Recollection(Memory(frames=3), numbers(1.0, 10.0))
    recollection.see(numbers(2.0, 20.0), torch.tensor([False, False]))
    before = shown(recollection)
    imagined = recollection.imagine(1, torch.tensor([99.0]))
    assert imagined.squeeze(-1).tolist() == [99.0, 20.0, 10.0]
    assert shown(recollection) == before


@given(
    frames=st.integers(1, 4),
    stride=st.integers(1, 3),
    begun=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=20),
    saved_after=st.integers(0, 20),
)
def test_it_is_a_list_of_all_that_an_episode_saw(
    frames: int, stride: int, begun: list[tuple[bool, bool]], saved_after: int
) -> None:
    memory = Memory(frames, stride)
    seen = [[0.0], [0.5]]
    recollection = Recollection(memory, numbers(0.0, 0.5))
    for time, anew in enumerate(begun, start=1):
        recollection.see(numbers(time, time + 0.5), torch.tensor(anew))
        for env in range(2):
            seen[env] = [*([] if anew[env] else seen[env]), time + 0.5 * env]
        if time == saved_after:
            state = recollection.state()
            recollection = Recollection(memory, numbers(-1.0, -1.0))
            recollection.restore(state)
        expected = [
            [episode[max(0, len(episode) - 1 - frame * stride)] for frame in range(frames)]
            for episode in seen
        ]
        assert shown(recollection) == expected
