"""Code in a file never runs."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from model_files import assert_refused, contents_of, notebook_statistics
from torch import nn

from bipedal import safe_pickle
from bipedal.errors import UserError
from bipedal.policy import Policy
from bipedal.safe_pickle import parse_statistics


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """A file that is there only if code of a test's payload ran."""
    return tmp_path / "it_ran"


class Evil:
    """Calls a function when unpickled without care."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


def call(module: str, name: str, *arguments: str) -> bytes:
    """Pickle opcodes that look a name up and call it with texts."""
    texts = b"".join(b"V" + text.encode("raw-unicode-escape") + b"\n" for text in arguments)
    return b"c" + f"{module}\n{name}\n".encode() + b"(" + texts + b"tR"


def evil_statistics(marker: Path) -> Iterator[tuple[str, bytes]]:
    """Pickles that make the file `marker` if anything in them runs."""
    touch, python = f"touch {marker}", f"open({str(marker)!r}, 'w')"
    direct = {
        "os.system": ("os", "system", touch),
        "posix.system": ("posix", "system", touch),
        "nt.system": ("nt", "system", touch),
        "subprocess": ("subprocess", "getoutput", touch),
        "eval": ("builtins", "eval", python),
        "exec": ("builtins", "exec", python),
        "python 2 eval": ("__builtin__", "eval", python),
        "open": ("builtins", "open", str(marker), "w"),
        "codecs.open": ("_codecs", "open", str(marker), "w"),
        "io.open": ("io", "open", str(marker), "w"),
        "numpy's os": ("numpy.core.multiarray", "os.system", touch),
        "numpy through os": ("numpy", "os.system", touch),
        "numpy.load": ("numpy", "load", str(marker)),
        "numpy.memmap": ("numpy", "memmap", str(marker)),
        "numpy runstring": ("numpy.testing._private.utils", "runstring", python),
        "dotted scalar": ("numpy", "core.multiarray.scalar", python),
        "dotted new scalar": ("numpy", "_core.multiarray.scalar", python),
        "dotted module": ("numpy.core", "multiarray.scalar", python),
        "globals": ("numpy._core.multiarray", "_reconstruct.__globals__", touch),
        "init globals": ("gymnasium.wrappers.utils", "RunningMeanStd.__init__.__globals__", touch),
        "subclasses": ("numpy", "ndarray.__subclasses__", touch),
        "class of dtype": ("numpy", "dtype.__class__", touch),
        "gymnasium's imports": ("gymnasium.wrappers.utils", "np", touch),
        "a known name elsewhere": ("evil", "RunningMeanStd", touch),
        "this module": ("bipedal.checkpoint", "save_state", str(marker), "x"),
        "torch.load": ("torch", "load", str(marker)),
        "getattr": ("builtins", "getattr", "x", "y"),
        "empty": ("", "", touch),
    }
    for title, arguments in direct.items():
        for header in (b"", b"\x80\x02", b"\x80\x04"):
            yield title, header + call(*arguments) + b"."
    # The same by the other opcodes that call: INST, OBJ, NEWOBJ, STACK_GLOBAL, EXT.
    text = f"V{touch}\n".encode()
    yield "INST", b"(" + text + b"ios\nsystem\n."
    yield "OBJ", b"(cos\nsystem\n" + text + b"o."
    yield "NEWOBJ", b"\x80\x02csubprocess\nPopen\n(" + text + b"t\x81."
    yield "NEWOBJ_EX", b"\x80\x04csubprocess\nPopen\n(" + text + b"t}\x92."
    yield "STACK_GLOBAL", b"\x80\x04Vos\nVsystem\n\x93(" + text + b"tR."
    yield "EXT1", b"\x80\x02\x82\x01(" + text + b"tR."
    yield "PERSID", b"Pos.system\n."
    yield "BINPERSID", text + b"Q."
    # Hidden in the right place of the right object.
    for name in ("mean", "var", "count", "extra"):
        for evil in (Evil(os.system, touch), np.array([Evil(os.system, touch)] * 24)):
            statistics = notebook_statistics()
            setattr(statistics, name, evil)
            for protocol in (2, 4, 5):
                yield f"payload as {name}", pickle.dumps(statistics, protocol)
    # numpy unpickles the bytes of a scalar of dtype object.
    inner = pickle.dumps(Evil(os.system, touch), 0).decode("latin1").replace("\n", "\\u000a")
    scalar = (
        b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(VO8\nI00\nI01\ntRc_codecs\nencode\n(V"
        + inner.encode("latin1")
        + b"\nVlatin1\ntRtR"
    )
    clean = pickle.dumps(notebook_statistics(), 2)
    yield "object scalar", b"\x80\x02" + scalar + b"."
    yield (
        "object scalar, then statistics",
        b"\x80\x02" + scalar + b"0" + clean[2:-1] + b"0" + scalar + b".",
    )
    yield "code, then statistics", call("os", "system", touch) + b"0" + clean


def test_statistics_that_carry_code_are_refused_and_nothing_runs(marker: Path) -> None:
    for title, data in evil_statistics(marker):
        with pytest.raises(UserError) as caught:
            parse_statistics(data, "x_stats.pkl")
            pytest.fail(title)
        assert str(caught.value).isprintable(), title
        assert not marker.exists(), title


def test_the_payloads_of_these_tests_do_run_where_nothing_is_refused(marker: Path) -> None:
    ran = set()
    for title, data in evil_statistics(marker):
        if title not in ("os.system", "eval", "payload as mean", "code, then statistics", "INST"):
            continue
        with contextlib.suppress(Exception):
            pickle.loads(data)
        if marker.exists():
            marker.unlink()
            ran.add(title)
    assert len(ran) == 5


def test_a_refused_name_cannot_forge_lines_or_colours_of_the_terminal() -> None:
    data = b"\x80\x04\x8c\x0bos\nall fine\x8c\x07\x1b[31mhi\x93."
    with pytest.raises(UserError) as caught:
        parse_statistics(data, "x")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "target",
    [
        b"cgymnasium.wrappers.utils\nRunningMeanStd\n",
        b"cnumpy\nndarray\n",
        b"cnumpy\ndtype\n",
        b"c_codecs\nencode\n",
        b"cnumpy.core.multiarray\nscalar\n",
        b"cnumpy.core.numeric\n_frombuffer\n",
    ],
)
@pytest.mark.parametrize("state", [b"}Vhacked\nI1\ns", b"(N}Vhacked\nI1\nst", b"(NNNNNt"])
def test_a_pickle_cannot_change_the_reader_itself(target: bytes, state: bytes) -> None:
    before = {name: dict(vars(known)) for name, known in safe_pickle._KNOWN_NAMES.items()}
    with pytest.raises(UserError):
        parse_statistics(b"\x80\x02" + target + state + b"b.", "x")
    after = {name: dict(vars(known)) for name, known in safe_pickle._KNOWN_NAMES.items()}
    assert after == before
    parse_statistics(pickle.dumps(notebook_statistics()), "x")


def evil_models(marker: Path, model: Policy) -> Iterator[tuple[str, bytes]]:
    """Policy files that make the file `marker` if anything in them runs, or hold code."""
    evil = Evil(os.system, f"touch {marker}")

    def saved(thing: object, **options: Any) -> bytes:
        buffer = io.BytesIO()
        torch.save(thing, buffer, **options)
        return buffer.getvalue()

    for protocol in (0, 2, 4):
        yield "plain pickle", pickle.dumps(evil, protocol)
    yield "an object", saved(evil)
    yield "an object of the old format", saved(evil, _use_new_zipfile_serialization=False)
    yield "beside the weights", saved({**contents_of(model), "extra": evil})
    yield "as a key's value deep down", saved({**contents_of(model), "extra": [{"a": (evil,)}]})
    contents = contents_of(model)
    contents["policy"]["net.0.bias"] = evil
    yield "among the weights", saved(contents)
    yield "a whole module", saved(nn.Linear(2, 2))
    yield "a module as policy", saved({**contents_of(model), "policy": model.actor})
    yield "a numpy array", saved({**contents_of(model), "extra": np.ones(3)})


def test_models_that_carry_code_are_refused_and_nothing_runs(
    model_path: Path, marker: Path, model: Policy
) -> None:
    for title, data in evil_models(marker, model):
        model_path.write_bytes(data)
        assert_refused(model_path)
        assert not marker.exists(), title


def test_a_torchscript_archive_is_refused_quietly(model_path: Path) -> None:
    with warnings.catch_warnings(action="ignore"):
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), model_path)
    assert_refused(model_path)
