"""Figures show what happened."""

from __future__ import annotations

import numpy as np
import pytest

from bipedal.evaluation.episode import run_episode
from bipedal.report.figures import draw_gait_diagram, draw_learning_curve, draw_obstacles
from bipedal.walker import FloatArray


def sway(observation: FloatArray) -> FloatArray:
    action: FloatArray = np.tanh(observation[[4, 6, 9, 11]] + 0.3).astype(np.float32)
    return action


def test_gait_diagram_shows_true_contacts() -> None:
    walk = run_episode(sway, "BipedalWalker-v3", 4).trajectory
    assert walk is not None
    figure = draw_gait_diagram(walk)
    length = min(len(walk.rewards), 250)
    start = (len(walk.rewards) - length) // 2
    contacts = np.hstack([walk.foot_contact, walk.upper_contact])[start : start + length]
    bars = [c for c in figure.axes[0].collections if type(c).__name__ == "PolyCollection"]
    for row, collection in enumerate(bars):
        drawn = sum(np.ptp(np.asarray(path.vertices)[:, 0]) for path in collection.get_paths())
        assert drawn == pytest.approx(0.02 * contacts[:, row].sum())
    assert len(bars) == 4


def test_learning_curve_draws_every_known_number() -> None:
    nan = float("nan")
    metrics = {
        "timesteps": np.array([1e6, 2e6, 3e6]),
        "charts/episodic_return": np.array([-90.0, nan, 310.0]),
    }
    figure = draw_learning_curve(metrics, {}, 300.0)
    assert figure is not None
    curve, threshold = figure.axes[0].lines
    np.testing.assert_array_equal(curve.get_xydata(), [[1.0, -90.0], [3.0, 310.0]])
    assert list(threshold.get_ydata()) == [300.0, 300.0]
    assert draw_learning_curve({}, {}, 300.0) is None


def test_obstacles_are_drawn_where_some_were_met() -> None:
    """One curve a kind, and the difficulty beneath where training had a curriculum."""
    time = np.array([1e6, 2e6, 3e6])
    never = np.full(3, np.nan)
    evaluations = {
        "timesteps": time,
        "crossed/stump": np.array([0.1, 0.5, 0.9]),
        "crossed/stairs": never,
        "crossed/pit": np.array([np.nan, 0.2, 0.3]),
    }
    figure = draw_obstacles({"timesteps": time}, evaluations)
    assert figure is not None
    (axis,) = figure.axes
    curves = {str(line.get_label()): list(line.get_ydata()) for line in axis.lines}  # type: ignore[arg-type]
    assert curves == {"stump": [0.1, 0.5, 0.9], "pit": [0.2, 0.3]}
    metrics = {"timesteps": time, "charts/difficulty": np.array([0.0, 0.4, 1.0])}
    figure = draw_obstacles(metrics, evaluations)
    assert figure is not None
    assert list(figure.axes[1].lines[0].get_ydata()) == [0.0, 0.4, 1.0]  # type: ignore[arg-type]
    assert draw_obstacles(metrics, {"timesteps": time, "mean_return": time}) is None
