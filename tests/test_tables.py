"""Tables of results come back as written; tables of a run are read whole, torn or hostile."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bipedal import tables
from bipedal.errors import RunFailedError, UserError
from bipedal.tables import AppendingTable, csv_text, read_columns, read_table, write_table

in_one_directory = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

# Tables of results --------------------------------------------------------------------------------

NUMBERS = ("true", "false", "nan", "inf", "infinity")
words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1).filter(
    lambda text: text[0].isalpha() and text.lower() not in NUMBERS
)
values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words


@given(rows=st.lists(st.fixed_dictionaries({"a": values, "b, c": values}), min_size=1))
def test_values_keep_their_types(
    rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("table") / "table.csv"
    write_table(path, rows)
    again = read_table(path)
    assert again == rows
    for found, row in zip(again, rows, strict=True):
        assert {name: type(found[name]) for name in row} == {
            name: type(value) for name, value in row.items()
        }


def test_columns_are_those_of_all_rows_and_absent_values_are_none(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", [{"a": 1}, {"b": "x", "a": None}])
    assert (tmp_path / "t.csv").read_text() == "a,b\n1,\n,x\n"
    assert read_table(tmp_path / "t.csv") == [{"a": 1, "b": None}, {"a": None, "b": "x"}]
    assert csv_text([{"a": 'say "so"'}]) == 'a\n"say ""so"""\n'


def test_a_word_that_python_takes_for_a_number_stays_a_word(tmp_path: Path) -> None:
    rows = [{"a": "1_000", "b": 1000}]
    write_table(tmp_path / "t.csv", rows)
    assert read_table(tmp_path / "t.csv") == rows


@pytest.mark.parametrize(("line", "cells"), [("1,2,3", 3), ("1", 1)])
def test_a_line_with_other_cells_is_told(line: str, cells: int, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"a,b\n1,2\n{line}\n")
    with pytest.raises(RunFailedError, match=f"damaged: line 3 has {cells} cells, not 2"):
        read_table(path)


@pytest.mark.parametrize("content", [b"a\n\xff\n", b'a\n"' + b"x" * 200_000 + b'"\n', b"\xff"])
def test_results_that_are_no_table_are_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(RunFailedError, match=r"t\.csv is damaged"):
        read_table(tmp_path / "t.csv")


def test_results_that_never_end_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").symlink_to("/dev/zero")
    with pytest.raises(UserError, match="not a file"):
        read_table(tmp_path / "t.csv")


def test_an_empty_file_is_an_empty_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").touch()
    assert read_table(tmp_path / "t.csv") == []


# Tables of a run, written -------------------------------------------------------------------------


def write_run(path: Path, iterations: range, keep: int = 0) -> None:
    table = AppendingTable(path, keep_iterations=keep)
    for iteration in iterations:
        table.append({"iteration": iteration, "value": iteration / 2, "gap": float("nan")})
    table.close()


def iterations_of(path: Path) -> list[int]:
    with open(path, newline="") as file:
        return [int(row["iteration"]) for row in csv.DictReader(file)]


def test_rows_are_on_disk_at_once_and_nan_is_an_empty_cell(tmp_path: Path) -> None:
    table = AppendingTable(tmp_path / "t.csv", keep_iterations=0)
    table.append({"iteration": 1, "value": 0.5, "gap": float("nan")})
    assert (tmp_path / "t.csv").read_bytes() == b"iteration,value,gap\r\n1,0.5,\r\n"
    table.close()


def test_nothing_in_a_table_of_a_run_is_quoted(tmp_path: Path) -> None:
    table = AppendingTable(tmp_path / "t.csv", keep_iterations=0)
    with pytest.raises(csv.Error):
        table.append({"iteration": 1, "value": "a,b"})
    table.close()


def test_reopening_cuts_what_will_be_written_again(tmp_path: Path) -> None:
    path, whole = tmp_path / "t.csv", tmp_path / "whole.csv"
    write_run(path, range(1, 8))
    write_run(path, range(5, 7), keep=4)
    write_run(whole, range(1, 7))
    assert path.read_bytes() == whole.read_bytes()


def test_reopening_an_empty_file_writes_the_header(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.touch()
    write_run(path, range(1, 3))
    assert iterations_of(path) == [1, 2]


@given(keep=st.integers(0, 6), cut=st.integers(0, 200))
def test_a_table_torn_anywhere_can_be_continued(
    tmp_path_factory: pytest.TempPathFactory, keep: int, cut: int
) -> None:
    path = tmp_path_factory.mktemp("torn") / "t.csv"
    write_run(path, range(1, 6))
    data = path.read_bytes()
    path.write_bytes(data[: max(0, len(data) - cut)])
    whole = [n for n in range(1, 6) if f"\n{n},{n / 2},\r\n".encode() in path.read_bytes()]
    write_run(path, range(keep + 1, keep + 3), keep=keep)
    assert iterations_of(path) == [*(n for n in whole if n <= keep), keep + 1, keep + 2]


def test_a_number_torn_in_its_middle_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"iteration,value\r\n1,0.25\r\n2,0.7")
    AppendingTable(path, keep_iterations=2).close()
    assert path.read_bytes() == b"iteration,value\r\n1,0.25\r\n"


def test_damaged_lines_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    good = b"iteration,value\r\n1,0.25\r\n"
    path.write_bytes(
        b"\xef\xbb\xbf" + good + b"\xff\xfe,1\r\n2\r\n2,1,1\r\n" + b"x" * 200_000 + b",1\r\n"
    )
    AppendingTable(path, keep_iterations=9).close()
    assert path.read_bytes() == good


def test_a_table_without_iterations_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("1,0.5\n2,1.0\n")
    with pytest.raises(UserError, match="no column 'iteration'"):
        AppendingTable(path, keep_iterations=2)
    assert path.read_text() == "1,0.5\n2,1.0\n"


@pytest.mark.skipif(os.name != "posix", reason="needs pipes with a name")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(UserError, match="not a file"):
        AppendingTable(tmp_path / "t.csv", keep_iterations=2)


# Tables of a run, read ----------------------------------------------------------------------------


def test_reading_survives_empty_cells_and_a_torn_last_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("timesteps,a,gait/class\n1000000,0.5,walking\n2000000,,\n3000000,7,run")
    columns = read_columns(path)
    np.testing.assert_array_equal(columns["timesteps"], [1e6, 2e6])
    np.testing.assert_array_equal(columns["a"], [0.5, np.nan])
    assert columns["gait/class"].tolist() == ["walking", ""]
    assert read_columns(tmp_path / "missing.csv") == {}


def test_reading_leaves_out_lines_of_another_width(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_bytes(b"timesteps,a\r\n1,2\r\n3\r\n4,5,6\r\n\0\0\xff7,8\r\n9,inf\r\n10,1e300\r\n")
    columns = read_columns(path)
    np.testing.assert_array_equal(columns["timesteps"], [1.0, np.nan, 9.0, 10.0])
    np.testing.assert_array_equal(columns["a"], [2.0, 8.0, np.nan, np.nan])


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("timesteps,a\n1,2\n", encoding="utf-8-sig")
    assert read_columns(path)["timesteps"].tolist() == [1.0]


def test_the_first_of_two_columns_with_one_name_counts(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("timesteps,a,a\n1,2,3\n")
    assert read_columns(path)["a"].tolist() == [2.0]


def test_a_huge_field_is_one_cell_without_a_number(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text(f'timesteps,a\n1,{"x" * 200_000}\n2,"{"y" * 200_000}\n3,4\n')
    np.testing.assert_array_equal(read_columns(path)["a"], [np.nan, np.nan, 4.0])


@given(content=st.binary(max_size=400) | st.text('\r\n\0,"1e.\ufeffx', max_size=80).map(str.encode))
@in_one_directory
def test_any_bytes_read_as_columns_of_one_length(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "metrics.csv"
    path.write_bytes(content)
    columns = read_columns(path)
    assert len({len(column) for column in columns.values()}) <= 1
    assert not any(np.isinf(column).any() for column in columns.values())


cells = st.just(float("nan")) | st.floats(-1e9, 1e9)


@given(rows=st.lists(st.tuples(st.integers(0, 10**9), cells, cells), min_size=1))
@in_one_directory
def test_what_is_appended_is_read_back(
    tmp_path: Path, rows: list[tuple[int, float, float]]
) -> None:
    path = tmp_path / "metrics.csv"
    path.unlink(missing_ok=True)
    table = AppendingTable(path, keep_iterations=0)
    for row in rows:
        table.append(dict(zip(("timesteps", "a", "b"), row, strict=True)))
    table.close()
    columns = read_columns(path)
    np.testing.assert_array_equal(np.column_stack(list(columns.values())), np.array(rows, float))


def test_what_is_no_table_of_a_run_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("," * 2000 + "\n")
    with pytest.raises(UserError, match="2001 columns"):
        read_columns(path)
    monkeypatch.setattr(tables, "MAX_SHOWN_BYTES", 1000)
    with pytest.raises(UserError, match="too large"):
        read_columns(path)
