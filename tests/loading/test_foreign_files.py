"""Files of other libraries at the command line: played alike, and refused when damaged."""

from __future__ import annotations

import contextlib
import json
import os
import random
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import Captured, assert_refused, strict_json
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policy_files import facts, observations, ppo_state, write_evolved, write_zip
from test_cleanrl import actor, ppo_agent, save

from bipedal import cli
from bipedal.errors import UserError
from bipedal.foreign_policy import ForeignPolicy
from bipedal.loading.load import load_policy

WRITERS: dict[str, Callable[[Path], Path]] = {
    ".zip": lambda path: write_zip(path, ppo_state(), facts()),
    ".cleanrl_model": lambda path: save(path, (actor("fc_mu"), {})),
    ".json": write_evolved,
}


@pytest.fixture(params=WRITERS)
def foreign_path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    suffix: str = request.param
    return WRITERS[suffix](tmp_path / f"walker{suffix}")


@pytest.mark.usefixtures("empty_directory")
def test_evaluate_record_and_info_take_it(capsys: Captured, foreign_path: Path) -> None:
    assert cli.main(["evaluate", str(foreign_path), "--episodes", "2", "--json"]) == 0
    result = strict_json(capsys.readouterr().out)
    assert (result["env_id"], result["episodes"]) == ("BipedalWalker-v3", 2)
    assert cli.main(["info", str(foreign_path), "--json"]) == 0
    described = strict_json(capsys.readouterr().out)
    assert described["layers"].startswith("24-") and described["layers"].endswith("-4")
    arguments = ["--out", "a.gif", "--max-seconds", "0.1"]
    assert cli.main(["record", str(foreign_path), *arguments]) == 0
    assert Path("a.gif").exists()


@pytest.mark.parametrize("command", ["evaluate", "record", "info"])
def test_the_help_names_the_files(capsys: Captured, command: str) -> None:
    assert cli.main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert all(suffix in text for suffix in WRITERS)


def test_training_does_not_start_from_it(capsys: Captured, foreign_path: Path) -> None:
    run_dir = foreign_path.parent / "run"
    says = assert_refused(
        capsys, "train", "--init-from", foreign_path, "--run-dir", run_dir, "--num-envs", "1"
    )
    assert foreign_path.name in says


def test_a_name_with_hard_in_it_is_of_hardcore(tmp_path: Path) -> None:
    policy = load_policy(write_evolved(tmp_path / "es-bipedHard.2.json"))
    assert policy.env_id == "BipedalWalkerHardcore-v3"


def test_an_action_does_not_depend_on_the_others(foreign_path: Path) -> None:
    policy = load_policy(foreign_path)
    together = policy.act_batch(torch.from_numpy(observations(21))).numpy()
    alone = np.stack([policy.act(observation) for observation in observations(21)])
    assert together.dtype == np.float32
    assert np.array_equal(together, alone)


def test_another_shape_is_an_error(foreign_path: Path) -> None:
    with pytest.raises(ValueError, match="act_batch takes observations"):
        load_policy(foreign_path).act_batch(torch.zeros(24))


def test_loading_draws_no_random_numbers(foreign_path: Path) -> None:
    before = torch.get_rng_state()
    load_policy(foreign_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_fresh_statistics_are_those_of_gymnasiums_wrapper(tmp_path: Path) -> None:
    from gymnasium.wrappers.utils import RunningMeanStd

    path = save(tmp_path / "a.cleanrl_model", ppo_agent())
    raw = load_policy(path, allow_missing_statistics=True)
    assert isinstance(raw, ForeignPolicy)
    fresh = raw.with_statistics("fresh")
    for begun in (torch.tensor([True]), None):  # the second episode forgets the first
        statistics = RunningMeanStd(shape=(24,))
        fresh.restart()
        for observation in observations(5):
            statistics.update(observation[None].astype(np.float64))
            scale = np.sqrt(statistics.var + 1e-8)
            shown = ((observation - statistics.mean) / scale).clip(-10, 10).astype(np.float32)
            got = fresh.act_batch(torch.from_numpy(observation)[None], begun)
            np.testing.assert_allclose(got[0], raw.act(shown), atol=1e-6)
            begun = None


def still_plays_or_is_refused(path: Path) -> bool:
    """Whether a damaged file is refused; if not, it plays finite actions."""
    with warnings.catch_warnings(action="ignore"):
        try:
            policy = load_policy(path, allow_missing_statistics=True)
        except UserError as error:
            assert path.name in str(error)
            return True
    acts = policy.act_batch(torch.from_numpy(observations()))
    assert acts.isfinite().all() and acts.abs().max() <= 1.0
    return False


def test_a_file_cut_short_anywhere_is_refused(foreign_path: Path) -> None:
    whole = foreign_path.read_bytes()
    for length in sorted({0, 1, 2, len(whole) - 1, *(len(whole) * i // 17 for i in range(17))}):
        foreign_path.write_bytes(whole[:length])
        if foreign_path.suffix == ".json" and whole[:length].endswith(b"]"):
            continue
        assert still_plays_or_is_refused(foreign_path)


def test_flipped_bits_never_give_a_traceback(foreign_path: Path) -> None:
    whole, rng = foreign_path.read_bytes(), random.Random(0)
    for _ in range(300):
        changed = bytearray(whole)
        for _ in range(rng.choice((1, 1, 4))):
            changed[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        foreign_path.write_bytes(changed)
        still_plays_or_is_refused(foreign_path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=300), st.integers(0, 10_000))
def test_inserted_bytes_never_give_a_traceback(
    foreign_path: Path, data: bytes, position: int
) -> None:
    whole = foreign_path.read_bytes()
    place = position % len(whole)
    foreign_path.write_bytes(whole[:place] + data + whole[place + len(data) :])
    still_plays_or_is_refused(foreign_path)
    foreign_path.write_bytes(whole)


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=8,
    )
)
def test_any_json_in_a_zip_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, anything: object
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.zip"
    for data in (anything, {**facts(), "policy_kwargs": anything}):
        with contextlib.suppress(UserError):
            load_policy(write_zip(path, ppo_state(), json.dumps(data).encode()))


class Evil:
    """Makes a file when unpickled without care."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.marker}",)


def test_code_in_weights_does_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "it_ran"
    for path in (
        write_zip(tmp_path / "a.zip", {**ppo_state(), "log_std": Evil(marker)}, facts()),
        save(tmp_path / "a.cleanrl_model", (actor("fc_mu"), Evil(marker))),
    ):
        with pytest.raises(UserError, match="nothing of it was run"):
            load_policy(path)
        assert not marker.exists()


@pytest.mark.parametrize("suffix", WRITERS)
def test_devices_and_huge_files_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with pytest.raises(UserError, match="No such file"):
        load_policy(path)
    path.symlink_to("/dev/zero")
    with pytest.raises(UserError, match="not a file"):
        load_policy(path)
    path.unlink()
    path.touch()
    os.truncate(path, 1 << 40)
    with pytest.raises(UserError, match="too large"):
        load_policy(path)
