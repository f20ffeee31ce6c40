"""The page says the number that counts first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bipedal.report.data import Run
from bipedal.report.page import make_page


def make_tiles(score: dict[str, Any]) -> str:
    """Tiles of a run with one evaluation and this score."""
    evaluations = {"timesteps": np.array([2e6]), "mean_return": np.array([305.0])}
    page = make_page(Run("run", {}, {}, evaluations, score), {}, None, b"", "No model.")
    return page[page.index('<div class="tiles">') : page.index("</header>")]


@pytest.mark.parametrize(
    ("score", "value", "note"),
    [
        ({"episodes": 100, "mean_return": 312.34, "solved": True}, "312.3", "solved · mean over 1"),
        ({"episodes": 10, "mean_return": 299.96, "solved": False}, "300.0", "not solved · mean"),
        ({"episodes": 10, "mean_return": float("nan")}, "–", "not solved · mean over 10 fresh"),
    ],
)
def test_score_is_the_first_tile(score: dict[str, Any], value: str, note: str) -> None:
    tiles = make_tiles(score)
    assert tiles.index("Score") < tiles.index("Best evaluation")
    assert f'<div class="value">{value}</div><div class="note">{note}' in tiles


@pytest.mark.parametrize("score", [{}, {"episodes": 10}, {"mean_return": "<b>"}])
def test_no_score_no_tile(score: dict[str, Any]) -> None:
    assert "Score" not in make_tiles(score)
