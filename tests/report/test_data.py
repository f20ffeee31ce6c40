"""Files of a run are read whole, torn or hostile."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from bipedal.errors import UserError
from bipedal.report.data import last, points, read_run


def test_points_are_the_rows_with_both_numbers() -> None:
    columns = {"timesteps": np.array([1e6, 2e6, np.nan]), "a": np.array([0.5, np.nan, 7.0])}
    x, y = points(columns, "a")
    assert (x.tolist(), y.tolist()) == ([1.0], [0.5])
    assert points(columns, "missing")[0].size == 0
    assert last(columns, "a") == 0.5
    assert np.isnan(last(columns, "missing"))


@pytest.mark.skipif(os.name != "posix", reason="where any bytes are a name")
def test_any_name_can_be_shown(tmp_path: Path) -> None:
    for name, shown in ((b"caf\xe9", "caf\ufffd"), ("ä日本".encode(), "ä日本")):
        run_dir = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        run_dir.mkdir()
        assert read_run(run_dir).name == shown


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
