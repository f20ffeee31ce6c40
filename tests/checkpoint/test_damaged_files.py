"""A truncated or altered file is refused, or loads as what was saved."""

from __future__ import annotations

import contextlib
import pickle
import random
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_files import assert_refused, notebook_statistics, same_model

from bipedal.checkpoint import load_model, statistics_path
from bipedal.errors import UserError
from bipedal.policy import Policy
from bipedal.safe_pickle import parse_statistics


def lengths(data: bytes) -> list[int]:
    """Some twenty lengths shorter than the data."""
    return sorted(
        {0, 1, 2, len(data) - 1, len(data) - 2, *(len(data) * i // 17 for i in range(17))}
    )


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("which", ["model", "statistics"])
def test_a_file_cut_short_anywhere_is_refused(model_path: Path, which: str) -> None:
    victim = model_path if which == "model" else statistics_path(model_path)
    whole = victim.read_bytes()
    for length in lengths(whole):
        victim.write_bytes(whole[:length])
        assert_refused(model_path)


def test_statistics_without_a_digest_cut_short_anywhere_are_refused() -> None:
    for protocol in (2, 5):
        whole = pickle.dumps(notebook_statistics(), protocol=protocol)
        for length in range(len(whole)):
            with pytest.raises(UserError):
                parse_statistics(whole[:length], "x")


def flipped(data: bytes, position: int) -> bytes:
    """The data with one bit changed."""
    changed = bytearray(data)
    changed[position // 8] ^= 1 << position % 8
    return bytes(changed)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("which", ["model", "statistics"])
def test_a_flipped_bit_is_refused_or_changes_nothing(
    model_path: Path, model: Policy, which: str
) -> None:
    victim = model_path if which == "model" else statistics_path(model_path)
    whole = victim.read_bytes()
    rng = random.Random(1)
    refused = 0
    for _ in range(400 if which == "model" else 60):
        victim.write_bytes(flipped(whole, rng.randrange(8 * len(whole))))
        try:
            loaded = load_model(model_path)
        except UserError as error:
            refused += 1
            assert model_path.stem in str(error)
        else:
            assert same_model(loaded, model)
    assert refused > 20


@pytest.mark.usefixtures("no_waiting")
def test_a_flipped_bit_in_the_archive_directory_is_refused_or_changes_nothing(
    model_path: Path, model: Policy
) -> None:
    # Checksums do not cover the directory; this is where two readers of zip might disagree.
    whole = model_path.read_bytes()
    start = whole.index(b"PK\x01\x02")
    for position in random.Random(2).sample(range(8 * start, 8 * len(whole)), 200):
        model_path.write_bytes(flipped(whole, position))
        with contextlib.suppress(UserError):
            assert same_model(load_model(model_path), model)


def test_any_flipped_bit_of_bare_statistics_is_refused_or_gives_numbers() -> None:
    # A pickle has no checksum: a flip within a number cannot be seen, but nothing else may happen.
    for protocol in (2, 4, 5):
        whole = pickle.dumps(notebook_statistics(), protocol=protocol)
        for position in range(0, 8 * len(whole), 3):
            with contextlib.suppress(UserError):
                normalizer = parse_statistics(flipped(whole, position), "x")
                assert normalizer.mean.isfinite().all()
                assert (normalizer.var >= 0).all()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_never_statistics(data: bytes) -> None:
    with pytest.raises(UserError):
        parse_statistics(data, "x")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_random_bytes_are_never_a_model(data: bytes, zipped: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "m.pth"
        if zipped:
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("m/data.pkl", data)
                archive.writestr("m/version", b"3")
        else:
            path.write_bytes(data)
        with pytest.raises(UserError):
            load_model(path)
