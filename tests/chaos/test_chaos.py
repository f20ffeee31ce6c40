"""The harness finds what is wrong; and three minutes of it find nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import mishaps
import mutation
import pytest
from chaos import mount_namespace
from mutants import Mutator, change_bytes, change_json, change_table, change_value
from mutation import EndlessError, attack, failure, shrink
from targets import TOY, Target

from bipedal.errors import UserError


def refuse(path: Path) -> None:
    raise UserError(f"{path} is damaged")


def stumble(path: Path) -> None:
    data = path.read_bytes()
    if b"7" in data:
        data.index(b"nowhere")


def waste_time(path: Path) -> None:
    until = time.process_time() + 2.1
    while time.process_time() < until:
        pass


def panic(path: Path) -> None:
    raise EndlessError


def waste_memory(path: Path) -> None:
    assert len(b"x" * (600 << 20))


def waste_words(path: Path) -> None:
    raise UserError("x" * 2000)


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory by /proc")
@pytest.mark.parametrize(
    ("read", "says"),
    [
        (stumble, "ValueError in test_chaos.py"),
        (panic, "EndlessError in test_chaos.py"),
        (waste_time, "slow"),
        (waste_memory, "large"),
        (waste_words, "a long sentence"),
    ],
)
def test_every_kind_of_fault_is_seen(
    tmp_path: Path, read: Callable[[Path], None], says: str
) -> None:
    found = failure(Target("t", tmp_path / "t", change_bytes, read), b"1234567")
    assert found is not None and found.startswith(says)


def test_what_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutation, "ENDLESS_SECONDS", 0.1)
    before = signal.signal(signal.SIGPROF, mutation._give_up)
    try:
        found = failure(Target("t", tmp_path / "t", change_bytes, waste_time), b"")
    finally:
        signal.signal(signal.SIGPROF, before)
    assert found is not None and found.startswith("EndlessError")


def test_a_sentence_is_no_fault(tmp_path: Path) -> None:
    assert failure(Target("t", tmp_path / "t", change_bytes, refuse), b"") is None


def test_a_file_that_fails_is_found_and_made_small(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"0123456\n" * 20)
    target = Target("table", path, change_bytes, stumble)
    counts, findings = attack([target], seconds=1.0, seed=0, current=tmp_path / "current")
    assert counts["table"] > 10
    assert (tmp_path / "current").read_text() == str(path)
    assert path.read_bytes() == b"0123456\n" * 20
    ((key, (_, data)),) = findings.items()
    assert key.startswith("table: ValueError") and data == b"7"


def test_only_what_fails_in_the_same_way_counts() -> None:
    def fails(_: Target, data: bytes) -> str | None:
        return "both" if b"a" in data and b"z" in data else "one"

    target = Target("t", Path("t"), change_bytes, refuse)
    assert shrink(target, b"..a....zz", "both", fails) == b"az"


@pytest.mark.parametrize("mutator", [change_bytes, change_json, change_table])
def test_damage_is_the_same_for_the_same_seed(mutator: Mutator) -> None:
    sound = b'{"a": [1, 2.5, "x"], "b": {"c": null}}'
    made = [[mutator(sound, Random(seed)) for seed in range(50)] for _ in range(2)]
    assert made[0] == made[1]
    assert len(set(made[0])) > 25


def test_a_changed_value_leaves_the_original() -> None:
    value = {"a": [1, {"b": 2}]}
    made = [change_value(value, Random(seed)) for seed in range(100)]
    assert value == {"a": [1, {"b": 2}]}
    assert {"a": [1]} in made and any(len(each) == 2 for each in made if isinstance(each, dict))


def test_a_process_is_killed_at_the_operation_asked_for(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        mishaps.Killer(tmp_path, 2, Random(0)).install()
        for name in "abcd":
            (tmp_path / name).touch()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_power_cut_loses_what_was_not_flushed(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("x" * 1000)
    sizes = set()
    for seed in range(8):
        child = os.fork()
        if child == 0:
            mishaps.Killer(tmp_path, 2, Random(seed)).install()
            with open(tmp_path / "new", "w") as file:
                file.write("x" * 600)
                file.flush()
                os.fsync(file.fileno())
                file.write("x" * 400)
                file.flush()
                os.fsync(file.fileno())
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        assert (tmp_path / "old").stat().st_size == 1000
        sizes.add((tmp_path / "new").stat().st_size)
    assert len(sizes) > 2 and min(sizes) >= 600 and max(sizes) == 1000


def test_a_run_that_ends_elsewhere_is_seen(tiny_run: Path, run: Path) -> None:
    whole = mishaps.Whole(tiny_run, TOY, [])
    mishaps.check_same_end(run, whole)
    metrics = run / "metrics.csv"
    metrics.write_text(metrics.read_text().replace("iteration", "iterations", 1))
    with pytest.raises(mishaps.BrokenError, match=r"another metrics\.csv"):
        mishaps.check_same_end(run, whole)
    (run / "saved_models" / "best_model.safetensors").write_bytes(b"half")
    with pytest.raises(mishaps.BrokenError, match="damaged"):
        mishaps.check_readable(run)


def test_what_is_mounted_is_seen_by_nobody_else(tmp_path: Path) -> None:
    prefix = mount_namespace()
    if prefix is None:
        pytest.skip("nothing can be mounted here")
    script = f"mount -t tmpfs none '{tmp_path}' && touch '{tmp_path}/a'"
    subprocess.run([*prefix, "sh", "-c", script], check=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_three_minutes_find_nothing(tmp_path: Path) -> None:
    harness = Path(__file__).with_name("chaos.py")
    command = [sys.executable, str(harness), "--minutes", "3", "--out", str(tmp_path / "found")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n0 faults" in done.stdout
