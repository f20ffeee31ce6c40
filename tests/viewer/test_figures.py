"""Figures show what happened."""

from __future__ import annotations

import numpy as np
import pytest

from bipedal.envs import FloatArray
from bipedal.evaluate import run_episode
from bipedal.viewer.figures import draw_gait_diagram, draw_learning_curve


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
