"""The page says the number that counts first, and takes no credit for another run's work."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from bipedal.report.data import Run
from bipedal.report.page import make_page
from bipedal.tables import Columns


def make_tiles(
    score: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    returns: tuple[float, ...] = (305.0,),
    metrics: Columns | None = None,
) -> str:
    """Tiles of a run with these evaluations, a million timesteps apart."""
    evaluations = {
        "timesteps": 1e6 * np.arange(2, 2 + len(returns)),
        "mean_return": np.array(returns),
    }
    run = Run("run", {"config": settings or {}}, metrics or {}, evaluations, score or {})
    page = make_page(run, {}, None, "No model.")
    return page[page.index('<dl class="tiles">') : page.index("</dl>")]


def make_text(run: Run) -> str:
    """Text of the page's body."""
    page = make_page(run, {}, None, "No model.")
    return re.sub(r"<[^>]*>", "", page[page.index("<body>") :])


@pytest.mark.parametrize(
    ("score", "value", "note"),
    [
        ({"episodes": 100, "mean_return": 312.34, "solved": True}, "312.3", "solved · mean over 1"),
        ({"episodes": 10, "mean_return": 299.96, "solved": False}, "300.0", "not solved · mean"),
    ],
)
def test_score_is_the_first_tile(score: dict[str, Any], value: str, note: str) -> None:
    tiles = make_tiles(score)
    assert tiles.index("Score") < tiles.index("Best evaluation")
    assert f'<dd class="value">{value}</dd><dd class="note">{note}' in tiles


@pytest.mark.parametrize(
    "mean_return", [None, "<b>", [], float("nan"), pytest.param(10**400, id="a huge integer")]
)
def test_no_score_no_tile(mean_return: object) -> None:
    assert "Score" not in make_tiles({"episodes": 10, "mean_return": mean_return})


def test_a_run_that_started_from_a_model_does_not_take_credit_for_it() -> None:
    settings = {"init_from": "pretrained:hardcore", "env_id": "BipedalWalkerHardcore-v3"}
    tiles = make_tiles(settings=settings, returns=(303.0, 305.5))
    assert tiles.index("First evaluation") < tiles.index("Best evaluation")
    assert "303.0" in tiles and "the work of the model it started from" in tiles
    assert "+2.5 on the first · at 3.00 M" in tiles
    assert "above" not in tiles
    assert "the first: none was better" in make_tiles(settings=settings, returns=(303.0, 302.0))
    text = make_text(Run("run", {"config": settings}, {}, {}, {}))
    assert "This run started from pretrained:hardcore" in text
    fresh = make_text(Run("run", {"config": {"init_from": None}}, {}, {}, {}))
    assert "started from" not in fresh


@pytest.mark.parametrize(
    ("timesteps", "note"), [(1.77e6, "of at most 10.00 M"), (10.0e6, None), (10.07e6, None)]
)
def test_timesteps_are_never_more_than_what_they_are_of(timesteps: float, note: str | None) -> None:
    metrics = {"timesteps": np.array([timesteps])}
    tiles = make_tiles(settings={"total_timesteps": 10_000_000}, metrics=metrics)
    assert f"{timesteps / 1e6:.2f} M" in tiles
    assert (note in tiles) if note else (" of " not in tiles)


def test_the_subtitle_leaves_out_a_gpu_that_is_not_there() -> None:
    hardware = {"machine": "x86_64", "system": "Linux", "cores": 2, "gpu": "none"}
    text = make_text(Run("run", {"hardware": hardware}, {}, {}, {}))
    assert "\nx86_64 · Linux\n" in text
    text = make_text(Run("run", {"hardware": {**hardware, "gpu": "A GPU"}}, {}, {}, {}))
    assert "x86_64 · Linux · A GPU" in text


def test_settings_of_any_kind_are_shown_or_elided() -> None:
    deep: Any = []
    for _ in range(900):
        deep = [deep]
    settings = {
        "preset": deep,
        "seed": {"a": deep},
        "env_id": [],
        "total_timesteps": 10**400,
        "init_from": deep,
        "hidden_sizes": [64, 64],
        "target_kl": None,
        "note": "x" * 10_000,
    }
    text = make_text(Run("run", {"config": settings, "hardware": {"cpu": deep}}, {}, {}, {}))
    assert "64, 64" in text
    assert "x" * 200 in text and "x" * 201 not in text
