"""Tables of a run are read whole, torn or hostile."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bipedal.errors import UserError
from bipedal.report import data
from bipedal.report.data import last, points, read_run, read_table

in_one_directory = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


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
    assert last(table, "a") == 0.5
    assert read_table(tmp_path / "missing.csv") == {}


def test_reading_leaves_out_lines_of_another_width(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_bytes(b"timesteps,a\r\n1,2\r\n3\r\n4,5,6\r\n\0\0\xff7,8\r\n9,inf\r\n10,1e300\r\n")
    assert read_table(path)["a"][:2].tolist() == [2.0, 8.0]
    assert points(read_table(path), "a")[1].tolist() == [2.0]  # 7 was no number, nor is the rest


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("timesteps,a\n1,2\n", encoding="utf-8-sig")
    assert read_table(path)["timesteps"].tolist() == [1.0]


def test_the_first_of_two_columns_with_one_name_counts(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("timesteps,a,a\n1,2,3\n")
    assert read_table(path)["a"].tolist() == [2.0]


def test_a_huge_field_is_one_cell_without_a_number(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text(f'timesteps,a\n1,{"x" * 200_000}\n2,"{"y" * 200_000}\n3,4\n')
    np.testing.assert_array_equal(read_table(path)["a"], [np.nan, np.nan, 4.0])


@given(content=st.binary(max_size=400) | st.text('\r\n\0,"1e.\ufeffx', max_size=80).map(str.encode))
@in_one_directory
def test_any_bytes_read_as_columns_of_one_length(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "metrics.csv"
    path.write_bytes(content)
    table = read_table(path)
    assert len({len(column) for column in table.values()}) <= 1
    assert all(np.isfinite(last(table, name)) or np.isnan(last(table, name)) for name in table)


cells = st.none() | st.floats(-1e9, 1e9)


@given(rows=st.lists(st.tuples(st.integers(0, 10**9), cells, cells), min_size=1))
@in_one_directory
def test_what_the_csv_writer_writes_is_read_back(
    tmp_path: Path, rows: list[tuple[int, float | None, float | None]]
) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([("timesteps", "a", "b"), *rows])
    path = tmp_path / "metrics.csv"
    path.write_text(text.getvalue(), newline="")
    table = read_table(path)
    expected = np.array(rows, dtype=np.float64)
    np.testing.assert_array_equal(np.column_stack(list(table.values())), expected)


def test_what_is_no_table_of_a_run_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("," * 2000 + "\n")
    with pytest.raises(UserError, match="2001 columns"):
        read_table(path)
    monkeypatch.setattr(data, "MAX_TABLE_BYTES", 1000)
    with pytest.raises(UserError, match="too large"):
        read_table(path)


@pytest.mark.skipif(os.name != "posix", reason="needs pipes with a name")
@pytest.mark.parametrize("name", ["config.json", "score.json", "metrics.csv", "evaluations.csv"])
def test_a_pipe_or_a_device_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(UserError, match="not a file"):
        read_run(tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(UserError, match="not a file"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"[1]", b"{", b"\0\xff", b"[" * 100_000, b'{"a": ' * 100_000]
)
def test_broken_json_reads_as_empty(tmp_path: Path, content: bytes) -> None:
    for name in ("config.json", "score.json"):
        (tmp_path / name).write_bytes(content)
    run = read_run(tmp_path)
    assert (run.config, run.score, run.settings) == ({}, {}, {})
    assert run.reward_threshold is None


def test_solved_means_what_gymnasium_says(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"config": {"env_id": "BipedalWalker-v3"}, "odd": 1}')
    run = read_run(tmp_path)
    assert run.reward_threshold == 300
    assert set(run.config) == {"config"}


def test_a_strange_environment_has_no_threshold(tmp_path: Path) -> None:
    for env_id in ('["BipedalWalker-v3"]', '"this:Other-v0"', "{}"):
        (tmp_path / "config.json").write_text(f'{{"config": {{"env_id": {env_id}}}}}')
        assert read_run(tmp_path).reward_threshold is None
