"""Weights that are not those of this robot are refused."""

from __future__ import annotations

import math
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from model_files import (
    GOOD,
    Contents,
    assert_refused,
    notebook_statistics,
    perceptron,
    with_log_std,
    write_files,
)

from bipedal.checkpoint import load_model, save_model


def test_the_weights_that_the_next_tests_spoil_are_good(model_path: Path) -> None:
    write_files(model_path, GOOD, pickle.dumps(notebook_statistics()))
    assert not load_model(model_path).info


def spoiled(**policy: object) -> Contents:
    return {**GOOD, "policy": {**GOOD["policy"], **policy}}


def without(*names: str) -> Contents:
    return {**GOOD, "policy": {k: v for k, v in GOOD["policy"].items() if k not in names}}


STRANGE: dict[str, object] = {
    "observations of 10": {**GOOD, "policy": with_log_std(perceptron(10, 8, 4))},
    "critic of 10": {**GOOD, "critic": perceptron(10, 8, 1)},
    "actions of 6": {**GOOD, "policy": with_log_std(perceptron(24, 8, 6), 6)},
    "log_std of 6": {**GOOD, "policy": with_log_std(perceptron(24, 8, 4), 6)},
    "log_std of 1": {**GOOD, "policy": with_log_std(perceptron(24, 8, 4), 1)},
    "log_std of 0 dimensions": spoiled(log_std=torch.tensor(0.0)),
    "values of 2": {**GOOD, "critic": perceptron(24, 8, 2)},
    "swapped": {"policy": GOOD["critic"], "critic": GOOD["policy"]},
    "inner sizes": spoiled(**{"net.2.weight": torch.ones(4, 9)}),
    "a bias of another size": spoiled(**{"net.0.bias": torch.ones(9)}),
    "a width of 0": {**GOOD, "policy": with_log_std(perceptron(24, 0, 4))},
    "no policy": {"critic": GOOD["critic"]},
    "no critic": {"policy": GOOD["policy"]},
    "no log_std": without("log_std"),
    "no bias": without("net.0.bias"),
    "no first layer": without("net.0.weight", "net.0.bias"),
    "no layers": without(*GOOD["policy"].keys() - {"log_std"}),
    "nothing": {"policy": {}, "critic": {}},
    "an extra layer": spoiled(**{"net.9.weight": torch.ones(4, 4)}),
    "an extra name": spoiled(other=torch.ones(4)),
    "numbers as names": {**GOOD, "policy": {1: torch.ones(4)}},
    "a layer without a number": spoiled(**{"net.x.weight": torch.ones(4, 4)}),
    "a text": spoiled(**{"net.0.weight": "w"}),
    "a list": spoiled(**{"net.0.weight": [[1.0]]}),
    "None": spoiled(log_std=None),
    "a number": spoiled(log_std=0.0),
    "integers": spoiled(**{"net.0.weight": torch.ones(8, 24, dtype=torch.int64)}),
    "booleans": spoiled(**{"net.0.bias": torch.ones(8, dtype=torch.bool)}),
    "complex": spoiled(**{"net.0.weight": torch.ones(8, 24, dtype=torch.complex64)}),
    "sparse": spoiled(**{"net.0.weight": torch.ones(8, 24).to_sparse()}),
    "meta": spoiled(**{"net.0.weight": torch.ones(8, 24, device="meta")}),
    "three dimensions": spoiled(**{"net.0.weight": torch.ones(8, 24, 1)}),
    "NaN": spoiled(**{"net.0.weight": torch.full((8, 24), math.nan)}),
    "infinite": spoiled(**{"net.2.bias": torch.tensor([0.0, 0.0, 0.0, math.inf])}),
    "infinite as float32": spoiled(**{"net.0.bias": torch.full((8,), 1e300, dtype=torch.float64)}),
    "too large": {
        "policy": {name: tensor * 1e30 for name, tensor in GOOD["policy"].items()},
        "critic": GOOD["critic"],
    },
    "log_std NaN": spoiled(log_std=torch.full((4,), math.nan)),
    "critic NaN": {**GOOD, "critic": {**GOOD["critic"], "net.0.bias": torch.full((8,), math.nan)}},
    "policy a list": {**GOOD, "policy": [("log_std", torch.zeros(4))]},
    "policy a tensor": {**GOOD, "policy": torch.zeros(4)},
    "policy None": {**GOOD, "policy": None},
    "policy a text": {**GOOD, "policy": "net"},
    "critic a number": {**GOOD, "critic": 1},
    **{
        f"activation {value!r}": {**GOOD, "activation": value}
        for value in ("gelu", "ReLU", "", None, 1, ["relu"], torch.ones(2), {"relu": 1})
    },
    **{
        f"std_bounds {value!r}": {**GOOD, "std_bounds": value}
        for value in (
            ["a"], ["a", "b"], "ab", 1, None, [], [0.1], [0.1, 0.2, 0.3], [math.nan, 1.0],
            [0.1, math.nan], [-1.0, 1.0], [0.0, 1.0], [1.0, 0.5], [0.1, math.inf], [None, 1.0],
            {0.1: 0.2, 0.3: 0.4}, torch.tensor([0.1, 1.0]), [torch.tensor(0.1), torch.tensor(1.0)],
            [0.1, 2**2000],
        )
    },
    "digest a number": {**GOOD, "statistics_sha256": 1},
    "digest a tensor": {**GOOD, "statistics_sha256": torch.ones(64)},
    "digest None": {**GOOD, "statistics_sha256": None},
    "not a dictionary": [1, 2, 3],
    "a tensor": torch.ones(3),
    "a text alone": "walker",
}  # fmt: skip


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("name", STRANGE)
def test_files_that_are_not_this_robot_are_refused(model_path: Path, name: str) -> None:
    write_files(model_path, STRANGE[name], pickle.dumps(notebook_statistics()))
    assert_refused(model_path)


def test_half_precision_and_double_weights_load(model_path: Path) -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        contents = spoiled(**{"net.0.weight": torch.ones((8, 24), dtype=dtype)})
        write_files(model_path, contents, pickle.dumps(notebook_statistics()))
        assert load_model(model_path).actor.net[0].weight.dtype == torch.float32


def test_what_a_file_says_deeper_than_any_stack_is_left_out(
    model_path: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(model_path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    (program,) = (name for name in entries if name.endswith("data.pkl"))
    nested = b"X\x01\x00\x00\x00x" + b"]" * 50_000 + b"a" * 49_999
    entries[program] = entries[program].removesuffix(b"u.") + nested + b"u."
    with zipfile.ZipFile(model_path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    policy = load_model(model_path)
    assert "x" not in policy.info and policy.info["iteration"] == 7
    for name in ("again.pth", "again.safetensors"):
        save_model(tmp_path / name, policy)
        assert load_model(tmp_path / name).info == policy.info
