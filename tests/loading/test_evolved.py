"""The walkers of Evolving Stable Strategies."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from policy_files import evolved_numbers, observations, write_evolved

from bipedal.errors import UserError
from bipedal.loading.evolved import PARAMETERS
from bipedal.loading.load import load_policy


def test_matrices_stand_row_by_row_before_their_biases(tmp_path: Path) -> None:
    values, start = observations().astype(float), 0
    for fan_in, fan_out in ((24, 40), (40, 40), (40, 4)):
        numbers = np.array(evolved_numbers()[start : start + (fan_in + 1) * fan_out])
        matrix, bias = numbers[:-fan_out].reshape(fan_in, fan_out), numbers[-fan_out:]
        values = np.tanh(values @ matrix + bias)
        start += (fan_in + 1) * fan_out
    assert start == PARAMETERS == 2804
    policy = load_policy(write_evolved(tmp_path / "a.json"))
    got = policy.act_batch(torch.from_numpy(observations())).numpy()
    np.testing.assert_allclose(got, values, atol=1e-7)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "{}", "3", "[" * 100_000, "[3]", '["' + "a" * PARAMETERS + '"]', "\udc80",
        json.dumps([[0.1] * (PARAMETERS - 1)]),
        json.dumps([[0.1] * (PARAMETERS - 1) + ["x"]]),
        json.dumps([[0.1] * (PARAMETERS - 1) + [True]]),
        json.dumps([[0.1] * (PARAMETERS - 1) + [float("nan")]]),
        json.dumps([[0.1] * (PARAMETERS - 1) + [10**400]]),
        json.dumps([[1e300] * PARAMETERS]),
        "[[" + "9" * 5000 + "]]",
        " " * (2 << 20),
    ],
)  # fmt: skip
def test_anything_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=r"a\.json"):
        load_policy(path)
