"""What `describe_model` says of a file."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from model_files import GOOD, notebook_statistics, write_files

from bipedal.checkpoint import describe_model, statistics_path
from bipedal.policy import Policy


def test_a_description_is_plain_and_true(model_path: Path, model: Policy) -> None:
    facts = describe_model(model_path)
    assert facts["layers"] == "24-8-8-4"
    assert facts["layer_norm"] is True
    assert facts["activation"] == "relu"
    assert facts["env_id"] == "BipedalWalker-v3"
    assert facts["iteration"] == 7
    assert facts["observation_count"] == pytest.approx(200, abs=1)
    assert facts["policy_parameters"] == sum(p.numel() for p in model.actor.parameters())
    np.testing.assert_allclose(facts["observation_mean"], model.normalizer.mean)


def test_a_description_does_not_let_a_file_lie_about_facts(model_path: Path) -> None:
    contents: dict[Any, Any] = {
        **GOOD, "path": "/elsewhere", "sha256": "0" * 64, "statistics": "fine", "layers": "1-1",
        "policy_parameters": 1, "action_std": 7, "observation_count": 5,
        4: 5, "\x1b[31m": 1, "huge": 2**2000, "nan": math.nan, "x": "y\nz",
        "e": "\x1b[2J",
        "tensor": torch.ones(3), "nested": {"a": 1}, "env_id": "fine", "long": "a" * 10_000,
    }  # fmt: skip
    write_files(model_path, contents, pickle.dumps(notebook_statistics()))
    facts = describe_model(model_path)
    assert facts["path"] == str(model_path)
    assert facts["sha256"] != "0" * 64
    assert facts["statistics"] == str(statistics_path(model_path))
    assert facts["layers"] == "24-8-4"
    assert facts["policy_parameters"] > 1
    assert len(facts["action_std"]) == 4
    assert facts["observation_count"] > 100
    assert facts["env_id"] == "fine"
    assert not facts.keys() & {
        "\x1b[31m",
        "huge",
        "nan",
        "x",
        "e",
        "tensor",
        "nested",
        "long",
    }


def test_a_model_without_statistics_can_be_described(model_path: Path) -> None:
    statistics_path(model_path).unlink()
    facts = describe_model(model_path)
    assert facts["statistics"] == "missing"
    assert facts["observation_mean"] is None
