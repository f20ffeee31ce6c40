"""Figures show what happened."""

from __future__ import annotations

import numpy as np
import pytest

from bipedal.evaluation.episode import run_episode
from bipedal.report.figures import draw_gait_diagram, draw_gait_over_training
from bipedal.report.training_curves import draw_learning_curve, draw_obstacles
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
    assert np.asarray(threshold.get_ydata()).tolist() == [300.0, 300.0]
    assert draw_learning_curve({}, {}, 300.0) is None


def test_the_spread_stays_within_the_episodes_that_were_played() -> None:
    nan = float("nan")
    evaluations = {
        "timesteps": np.array([1e6, 2e6, 3e6, nan, 4e6]),
        "mean_return": np.array([100.0, 300.0, nan, 0.0, 310.0]),
        "std_return": np.array([20.0, 80.0, 5.0, 5.0, nan]),
        "min_return": np.array([90.0, -50.0, 1.0, 1.0, 305.0]),
        "max_return": np.array([130.0, 333.0, 1.0, 1.0, nan]),
    }

    def band(table: dict[str, np.ndarray]) -> list[list[float]]:
        """Lower and upper end of the band at each evaluation."""
        figure = draw_learning_curve({}, table, None)
        assert figure is not None
        corners = np.asarray(figure.axes[0].collections[0].get_paths()[0].vertices)
        columns = [corners[corners[:, 0] == x, 1] for x in (1.0, 2.0, 4.0)]
        return [[float(column.min()), float(column.max())] for column in columns]

    assert band(evaluations) == [[90.0, 120.0], [220.0, 333.0], [310.0, 310.0]]
    older = {name: evaluations[name] for name in ("timesteps", "mean_return", "std_return")}
    assert band(older) == [[80.0, 120.0], [220.0, 380.0], [310.0, 310.0]]


def test_gait_over_training_is_drawn_from_the_rows_that_have_it() -> None:
    """Evaluations of another engine have no gait, and need not."""
    nan = float("nan")
    evaluations = {
        "timesteps": np.array([1e6, 2e6, 3e6, 4e6]),
        "mean_speed": np.array([0.1, 0.2, 1.0, 2.0]),
        "gait/class": np.array(["", "", "walking", "running"]),
        "gait/duty_factor": np.array([nan, nan, 0.6, 0.4]),
    }
    figure = draw_gait_over_training(evaluations)
    assert figure is not None
    strip, shares, speed = figure.axes
    legend = strip.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["walking", "running"]
    np.testing.assert_array_equal(shares.lines[0].get_xydata(), [[3, 0.6], [4, 0.4]])
    assert len(speed.lines[0].get_xdata()) == 4  # type: ignore[arg-type]
    without = {**evaluations, "gait/class": np.full(4, "")}
    assert draw_gait_over_training(without) is None
    assert draw_gait_over_training({}) is None


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
