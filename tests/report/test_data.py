"""Tables of a run are read whole or torn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bipedal.report.data import points, read_run, read_table


def test_reading_survives_empty_cells_and_a_torn_last_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("timesteps,a,gait/class\n1000000,0.5,walking\n2000000,,\n3000000,7,run")
    table = read_table(path)
    np.testing.assert_array_equal(table["timesteps"], [1e6, 2e6])
    np.testing.assert_array_equal(table["a"], [0.5, np.nan])
    assert table["gait/class"].tolist() == ["walking", ""]
    x, y = points(table, "a")
    assert (x.tolist(), y.tolist()) == ([1.0], [0.5])
    assert points(table, "missing")[0].size == 0
    assert read_table(tmp_path / "missing.csv") == {}


def test_reading_leaves_out_lines_of_another_width(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_bytes(b"timesteps,a\r\n1,2\r\n3\r\n4,5,6\r\n\0\0\xff7,8\r\n9,inf\r\n")
    table = read_table(path)
    assert table["a"].tolist() == [2.0, 8.0, np.inf]
    assert points(table, "a")[1].tolist() == [2.0]


@pytest.mark.parametrize("content", ["", "[1]", "{", "\0\xff"])
def test_broken_json_reads_as_empty(tmp_path: Path, content: str) -> None:
    for name in ("config.json", "score.json"):
        (tmp_path / name).write_text(content)
    run = read_run(tmp_path)
    assert (run.config, run.score, run.settings) == ({}, {}, {})
    assert run.reward_threshold is None


def test_solved_means_what_gymnasium_says(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"config": {"env_id": "BipedalWalker-v3"}, "odd": 1}')
    run = read_run(tmp_path)
    assert run.reward_threshold == 300
    assert set(run.config) == {"config"}
