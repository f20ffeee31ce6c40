"""The tables of a run: one row an iteration, whole after any cut."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bipedal.logs import Table


def write(path: Path, iterations: range, keep: int = 0) -> None:
    table = Table(path, keep_iterations=keep)
    for iteration in iterations:
        table.append({"iteration": iteration, "value": iteration / 2, "gap": float("nan")})
    table.close()


def read(path: Path) -> list[int]:
    with open(path, newline="") as file:
        return [int(row["iteration"]) for row in csv.DictReader(file)]


def test_rows_are_on_disk_at_once_and_nan_is_an_empty_cell(tmp_path: Path) -> None:
    table = Table(tmp_path / "t.csv", keep_iterations=0)
    table.append({"iteration": 1, "value": 0.5, "gap": float("nan")})
    assert (tmp_path / "t.csv").read_text().splitlines() == ["iteration,value,gap", "1,0.5,"]
    table.close()


def test_reopening_cuts_what_will_be_written_again(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write(path, range(1, 8))
    write(path, range(5, 7), keep=4)
    assert read(path) == [1, 2, 3, 4, 5, 6]


def test_reopening_an_empty_file_writes_the_header(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.touch()
    write(path, range(1, 3))
    assert read(path) == [1, 2]


@given(keep=st.integers(0, 6), cut=st.integers(0, 200))
def test_a_table_torn_anywhere_can_be_continued(
    tmp_path_factory: pytest.TempPathFactory, keep: int, cut: int
) -> None:
    path = tmp_path_factory.mktemp("torn") / "t.csv"
    write(path, range(1, 6))
    data = path.read_bytes()
    path.write_bytes(data[: max(0, len(data) - cut)])
    whole = [n for n in range(1, 6) if f"\n{n},{n / 2},\r\n".encode() in path.read_bytes()]
    write(path, range(keep + 1, keep + 3), keep=keep)
    kept = [n for n in read(path) if n <= keep]
    assert {n for n in whole if n <= keep} <= set(kept)
    assert read(path)[-2:] == [keep + 1, keep + 2]
    assert read(path) == sorted(set(read(path)))
