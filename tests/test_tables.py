"""What is written is read again."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bipedal.errors import RunFailedError
from bipedal.tables import csv_text, read_table, write_table

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


def test_an_empty_file_is_an_empty_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").touch()
    assert read_table(tmp_path / "t.csv") == []
