"""The pickle of VecNormalize: read, or refused, and never run."""

from __future__ import annotations

import contextlib
import os
import pickle
import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_files import VEC_NORMALIZE, observations

from bipedal.errors import UserError
from bipedal.loading.vec_normalize import MAX_STATISTICS_BYTES, parse_vec_normalize
from bipedal.safe_pickle import parse_statistics

PICKLED = VEC_NORMALIZE.read_bytes()
NAME = b"cstable_baselines3.common.vec_env.vec_normalize\nVecNormalize\n"


def test_it_normalises_as_the_library_does() -> None:
    pytest.importorskip("stable_baselines3")
    normalizer = parse_vec_normalize(PICKLED, "x")
    assert normalizer is not None
    assert (normalizer.clip, normalizer.epsilon) == (5.0, 1e-6)
    expected = pickle.loads(PICKLED).normalize_obs(observations())
    assert np.array_equal(normalizer(torch.from_numpy(observations())).numpy(), expected)
    assert np.abs(expected).max() == 5.0


def test_it_may_leave_observations_as_they_are() -> None:
    assert (
        parse_vec_normalize(PICKLED.replace(b"norm_obs\x94\x88", b"norm_obs\x94\x89"), "x") is None
    )


def test_our_own_statistics_are_not_read_by_this_looser_reader() -> None:
    with pytest.raises(UserError, match="VecNormalize"):
        parse_statistics(PICKLED, "x")


class Evil:
    """Calls a function when unpickled without care."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def test_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "it_ran"
    evil = pickle.dumps(Evil(os.system, f"touch {marker}"))
    body = (
        evil[evil.index(b"\x95") + 9 : -1] + b"0"
    )  # after PROTO and FRAME; what it gives is dropped
    for data in (evil, PICKLED[:2] + body + PICKLED[2:], PICKLED[:-1] + b"0" + body + PICKLED[2:]):
        with pytest.raises(UserError) as caught:
            parse_vec_normalize(data, "x")
        assert str(caught.value).isprintable()
        assert not marker.exists()
    with contextlib.suppress(Exception):
        pickle.loads(PICKLED[:2] + body + PICKLED[2:])
    assert marker.exists()


@pytest.mark.parametrize(
    "function", ["numpy\nload", "numpy\nmemmap", "numpy.testing._private.utils\nrunstring",
                 "gymnasium.utils.play\nplay", "numpy\ncore.os.system"]
)  # fmt: skip
def test_functions_of_known_libraries_are_not_called(tmp_path: Path, function: str) -> None:
    marker = tmp_path / "it_ran"
    call = f"c{function}\n(V{marker}\nVw+\nI8\ntR0".encode()
    with contextlib.suppress(UserError):
        parse_vec_normalize(PICKLED[:2] + call + PICKLED[2:], "x")
    assert not marker.exists()


def test_names_that_statistics_do_not_need_are_ignored() -> None:
    call = b"cnumpy.random._pickle\n__generator_ctor\n(VPCG64\ntR0"
    assert parse_vec_normalize(PICKLED[:2] + call + PICKLED[2:], "x") is not None


BOMBS = {
    "texts encoded again and again": (
        b"\x80\x02c_codecs\nencode\nq\x00(V" + b"x" * 500_000 + b"\nVlatin1\ntq\x01"
        + b"h\x00h\x01R" * 100_000 + b"."
    ),
    "deep tuples, hashed as keys": b"\x80\x02})" + b"\x85" * 1_000_000 + b"K\x01s.",
    "the same, many at once": b"\x80\x02}()" + b"\x85" * 1_000_000 + b"K\x01u.",
    "the same, in a dictionary": b"\x80\x02()" + b"\x85" * 1_000_000 + b"K\x01d.",
    "the same, in a set": b"\x80\x04\x8f()" + b"\x85" * 1_000_000 + b"\x90.",
    "the same, in a frozen set": b"\x80\x04()" + b"\x85" * 1_000_000 + b"\x91.",
    "the same, as a shape": b"\x80\x04" + NAME + b")\x81}Vclip_obs\n"
    b"cnumpy.core.numeric\n_frombuffer\n(C\x08abcdefghcnumpy\ndtype\n(Vf8\ntR)"
    + b"\x85" * 1_000_000 + b"VC\ntRsb.",
    "a long name, many times": (
        b"\x80\x04Vnumpy." + b"x" * 500_000 + b"\nq\x00Vy\nq\x01"
        + b"h\x00h\x01\x93" * 90_000 + b"."
    ),
    "announced bytes": b"\x80\x05\x96" + (2 << 30).to_bytes(8, "little") + b".",
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused_at_once(bomb: str) -> None:
    assert len(BOMBS[bomb]) < MAX_STATISTICS_BYTES + 1000
    started = time.process_time()
    with pytest.raises(UserError):
        parse_vec_normalize(BOMBS[bomb], "x")
    assert time.process_time() - started < 5.0
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert int(peak) < 3 << 20


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"clip_obs", b"clip_xxx"),
        (b"obs_rms", b"xxx_rms"),
        (b"\x05clip_obs"[1:] + b"\x94G" + np.float64(5).byteswap().tobytes(),
         b"clip_obs\x94G" + np.float64(-5).byteswap().tobytes()),
        (b"clip_obs\x94G" + np.float64(5).byteswap().tobytes(),
         b"clip_obs\x94G" + np.float64(np.nan).byteswap().tobytes()),
        (b"epsilon\x94G" + np.float64(1e-6).byteswap().tobytes(),
         b"epsilon\x94G" + np.float64(np.inf).byteswap().tobytes()),
        (b"running_mean_std", b"walking_mean_std"),
        (b"vec_normalize", b"vec_normalise"),
    ],
)  # fmt: skip
def test_impossible_contents_are_refused(old: bytes, new: bytes) -> None:
    assert old in PICKLED
    with pytest.raises(UserError, match="x "):
        parse_vec_normalize(PICKLED.replace(old, new), "x")


def test_numbers_that_no_network_can_take_are_refused() -> None:
    """Without a clip there is no other limit to what a policy is shown."""
    clip = b"clip_obs\x94G" + np.float64(5).byteswap().tobytes()
    endless = PICKLED.replace(clip, b"clip_obs\x94G" + np.float64(np.inf).byteswap().tobytes())
    normalizer = parse_vec_normalize(endless, "x")
    assert normalizer is not None and endless != PICKLED
    mean = normalizer.mean[0].numpy().tobytes()
    with pytest.raises(UserError, match="nothing can be normalised"):
        parse_vec_normalize(endless.replace(mean, np.float64(1e300).tobytes()), "x")


def test_cut_short_anywhere_it_is_refused() -> None:
    for length in range(0, len(PICKLED), 7):
        with pytest.raises(UserError):
            parse_vec_normalize(PICKLED[:length], "x")


def test_flipped_bits_are_refused_or_give_numbers() -> None:
    rng = random.Random(0)
    for position in rng.sample(range(8 * len(PICKLED)), 2000):
        changed = bytearray(PICKLED)
        changed[position // 8] ^= 1 << position % 8
        with contextlib.suppress(UserError):
            normalizer = parse_vec_normalize(bytes(changed), "x")
            if normalizer is not None:
                assert normalizer(torch.from_numpy(observations())).isfinite().all()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_never_statistics(data: bytes) -> None:
    with pytest.raises(UserError):
        parse_vec_normalize(data, "x")
