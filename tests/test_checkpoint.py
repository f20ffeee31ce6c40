"""Policy files: the same bits back, the notebook's files both ways, and no trust in any file."""

from __future__ import annotations

import builtins
import contextlib
import copy
import errno
import io
import itertools
import math
import os
import pickle
import random
import resource
import shutil
import tempfile
import threading
import time
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.wrappers.utils import RunningMeanStd as GymnasiumRunningMeanStd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from bipedal import checkpoint, files, safe_pickle
from bipedal.checkpoint import (
    MAX_STATISTICS_BYTES,
    describe_model,
    load_model,
    load_state,
    save_model,
    save_state,
    statistics_path,
)
from bipedal.config import MAX_HIDDEN_LAYERS, MAX_WIDTH
from bipedal.errors import UserError
from bipedal.files import temporary_path
from bipedal.history import FrameStack
from bipedal.networks import Actor, Critic
from bipedal.policy import Policy
from bipedal.safe_pickle import parse_statistics
from bipedal.walker import ACTION_DIM, OBSERVATION_DIM

Contents = dict[str, Any]
ModelMaker = Callable[..., Policy]


def observations(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.5, 3.0, (count, 24)).astype(np.float32)


def bits(model: Policy) -> list[tuple[str, torch.Tensor]]:
    modules = (model.actor, model.critic, model.normalizer)
    return [item for module in modules for item in module.state_dict().items()]


def same(one: Policy, other: Policy) -> bool:
    pairs = zip(bits(one), bits(other), strict=True)
    return one.info == other.info and all(
        name == name2 and a.dtype == b.dtype and torch.equal(a, b)
        for (name, a), (name2, b) in pairs
    )


def contents_of(model: Policy) -> Contents:
    """What a file of this model holds, as far as the format asks for it."""
    return {
        "policy": dict(model.actor.state_dict()),
        "critic": dict(model.critic.state_dict()),
        "env_id": "BipedalWalker-v3",
    }


@pytest.fixture
def path(tmp_path: Path, model: Policy) -> Path:
    """A sound model on disk."""
    path = tmp_path / "walker.pth"
    save_model(path, model)
    return path


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint.time, "sleep", lambda seconds: None)


def write(path: Path, contents: object, statistics: bytes | None = None) -> Path:
    """Write whatever contents as a torch archive; statistics stay what they were by default."""
    torch.save(contents, path)
    if statistics is not None:
        statistics_path(path).write_bytes(statistics)
    return path


def assert_refused(path: Path, match: str | None = None) -> str:
    """The file is refused in one sentence that names it."""
    with pytest.raises(UserError, match=match) as caught:
        load_model(path)
    message = str(caught.value)
    assert path.stem in message
    assert "\n" not in message
    return message


# The same bits back ------------------------------------------------------------------------------


def test_a_model_comes_back_bit_for_bit(path: Path, model: Policy) -> None:
    loaded = load_model(path)
    assert same(loaded, model)
    assert loaded.actor.std_bounds == model.actor.std_bounds
    for observation in observations(20):
        np.testing.assert_array_equal(loaded.act(observation), model.act(observation))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    hidden_sizes=st.lists(st.integers(1, 33), max_size=4).map(tuple),
    activation=st.sampled_from(["relu", "tanh"]),
    layer_norm=st.booleans(),
    seed=st.integers(0, 2**31 - 1),
    info=st.dictionaries(
        st.text(min_size=1, max_size=20).map("x_".__add__),
        st.one_of(
            st.text(max_size=20),
            st.integers(-(2**63), 2**63),
            st.floats(allow_nan=False),
            st.booleans(),
            st.none(),
        ),
        max_size=4,
    ),
    std_bounds=st.tuples(st.floats(1e-6, 0.1), st.floats(0.2, 10.0)),
)
def test_models_of_any_size_come_back_bit_for_bit(
    make_model: ModelMaker,
    hidden_sizes: tuple[int, ...],
    activation: str,
    layer_norm: bool,
    seed: int,
    info: dict[str, Any],
    std_bounds: tuple[float, float],
) -> None:
    model = make_model(hidden_sizes, activation=activation, layer_norm=layer_norm, seed=seed)
    model.info = info
    model.actor.std_bounds = std_bounds
    with tempfile.TemporaryDirectory() as directory:
        save_model(Path(directory) / "m.pth", model)
        loaded = load_model(Path(directory) / "m.pth")
    assert same(loaded, model)
    assert loaded.actor.std_bounds == std_bounds
    # Without hidden layers there is neither activation nor LayerNorm to come back.
    assert loaded.actor.activation == activation
    np.testing.assert_array_equal(loaded.act(observations(1)[0]), model.act(observations(1)[0]))


def with_memory(model: Policy, frame_stack: FrameStack) -> Policy:
    """The same robot with other networks, which are shown several observations."""
    width = frame_stack.frames * OBSERVATION_DIM
    actor, critic = Actor(width, ACTION_DIM, hidden_sizes=(5,)), Critic(width, hidden_sizes=(5,))
    return Policy(actor, critic, model.normalizer, frame_stack, info=model.info)


def test_a_memory_comes_back(tmp_path: Path, model: Policy) -> None:
    remembering = with_memory(model, FrameStack(frames=3, stride=4))
    save_model(tmp_path / "m.pth", remembering)
    loaded = load_model(tmp_path / "m.pth")
    assert loaded.frame_stack == (3, 4)
    for observation in observations(9):
        np.testing.assert_array_equal(loaded.act(observation), remembering.act(observation))
    facts = describe_model(tmp_path / "m.pth")
    assert (facts["frames"], facts["frame_stride"], facts["layers"]) == (3, 4, "72-5-4")


@pytest.mark.parametrize(
    "memory",
    [[0, 1], [1, 0], [65, 1], [2, 1024], [1, 10**30], [2], [2.0, 1], "2", [True, 1], [2, 1]],
)
def test_an_impossible_memory_is_refused(tmp_path: Path, model: Policy, memory: object) -> None:
    """The last one is possible, but not with networks that are shown one observation."""
    path = tmp_path / "m.pth"
    save_model(path, model)
    contents = torch.load(path, weights_only=True)
    torch.save({**contents, "memory": memory}, path)
    assert_refused(path)


def test_the_largest_network_that_may_be_trained_can_be_loaded(
    tmp_path: Path, make_model: ModelMaker
) -> None:
    deep = make_model((2,) * MAX_HIDDEN_LAYERS)
    wide = make_model((MAX_WIDTH,))
    for name, model in (("deep", deep), ("wide", wide)):
        save_model(tmp_path / f"{name}.pth", model)
        assert same(load_model(tmp_path / f"{name}.pth"), model)


def test_saving_leaves_only_the_two_files(path: Path) -> None:
    assert sorted(p.name for p in path.parent.iterdir()) == ["walker.pth", "walker_stats.pkl"]


def test_saving_the_same_model_twice_writes_the_same_statistics(path: Path, model: Policy) -> None:
    before = statistics_path(path).read_bytes()
    save_model(path, model)
    assert statistics_path(path).read_bytes() == before


def test_loading_does_not_need_the_model_twice(path: Path, model: Policy) -> None:
    first, second = load_model(path), load_model(path)
    with torch.no_grad():
        first.actor.log_std.fill_(-1)
        first.normalizer.mean.fill_(3)
    assert same(second, model)


def test_a_run_directory_means_its_best_model(tmp_path: Path, model: Policy) -> None:
    (tmp_path / "saved_models").mkdir()
    save_model(tmp_path / "saved_models" / "best_model.pth", model)
    assert same(load_model(tmp_path), model)
    assert same(load_model(str(tmp_path)), model)


def test_state_comes_back(tmp_path: Path) -> None:
    state = {"a": torch.arange(3), "b": [1.5, math.inf], "c": {"d": "e", "f": None}}
    save_state(tmp_path / "resume.pt", state)
    loaded = load_state(tmp_path / "resume.pt")
    assert torch.equal(loaded.pop("a"), state.pop("a"))
    assert loaded == state


# The notebook's files, both ways -----------------------------------------------------------------


class NotebookActor(nn.Module):
    """The notebook's policy, written out."""

    def __init__(self, hidden: int = 256) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(24, hidden),
            nn.LayerNorm(hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.LayerNorm(hidden),
            nn.ReLU(),
            nn.Linear(hidden, 4),
        )
        self.log_std = nn.Parameter(torch.zeros(4))


class NotebookCritic(nn.Module):
    def __init__(self, hidden: int = 256) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(24, hidden),
            nn.LayerNorm(hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.LayerNorm(hidden),
            nn.ReLU(),
            nn.Linear(hidden, 1),
        )


def notebook_statistics(dtype: type = np.float64) -> GymnasiumRunningMeanStd:
    statistics = GymnasiumRunningMeanStd(shape=(24,), dtype=dtype)
    for seed in range(3):
        statistics.update((observations(50, seed) * np.arange(1, 25)).astype(dtype))
    return statistics


def notebook_action(actor: NotebookActor, statistics: Any, observation: np.ndarray) -> np.ndarray:
    """Greedy action as the notebook computes it."""
    scaled = (observation - statistics.mean) / np.sqrt(statistics.var + 1e-8)
    with torch.no_grad():
        mean = actor.net(torch.from_numpy(np.clip(scaled, -10, 10).astype(np.float32)))
    return np.tanh(mean.numpy())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_files_of_the_notebook_load_and_act_the_same(
    tmp_path: Path, protocol: int, dtype: type
) -> None:
    torch.manual_seed(protocol)
    actor, critic = NotebookActor(), NotebookCritic()
    statistics = notebook_statistics(dtype)
    path = tmp_path / "best_model.pth"
    write(
        path,
        {"policy": actor.state_dict(), "critic": critic.state_dict()},
        pickle.dumps(statistics, protocol=protocol),
    )
    model = load_model(path)
    np.testing.assert_array_equal(model.normalizer.mean.numpy(), statistics.mean)
    np.testing.assert_array_equal(model.normalizer.var.numpy(), statistics.var)
    assert float(model.normalizer.count) == statistics.count
    assert model.info == {}
    for observation in observations(20, seed=9):
        np.testing.assert_allclose(
            model.act(observation), notebook_action(actor, statistics, observation), atol=2e-6
        )
    some = torch.from_numpy(observations(5))
    torch.testing.assert_close(model.critic(some), critic.net(some).squeeze(-1))


@pytest.mark.parametrize("log_std_shape", [(4,), (1, 4)])
def test_log_std_may_have_a_batch_dimension(
    tmp_path: Path, model: Policy, log_std_shape: tuple[int, ...]
) -> None:
    contents = contents_of(model)
    contents["policy"]["log_std"] = contents["policy"]["log_std"].reshape(log_std_shape)
    path = write(tmp_path / "m.pth", contents, pickle.dumps(notebook_statistics()))
    assert torch.equal(load_model(path).actor.log_std, model.actor.log_std)


def test_statistics_of_older_libraries_load() -> None:
    statistics = notebook_statistics()
    new = pickle.dumps(statistics, protocol=2)  # names stand in clear text
    old = new.replace(b"cgymnasium.wrappers.utils\n", b"cgymnasium.wrappers.normalize\n")
    old = old.replace(b"cnumpy._core.", b"cnumpy.core.")
    assert old != new
    for data in (old, new):
        normalizer = parse_statistics(data, "x_stats.pkl")
        np.testing.assert_array_equal(normalizer.mean.numpy(), statistics.mean)


def test_big_endian_statistics_load_as_the_same_numbers() -> None:
    statistics = notebook_statistics()
    mean = statistics.mean
    statistics.mean = mean.astype(">f8")
    assert b">" in pickle.dumps(statistics)
    np.testing.assert_array_equal(
        parse_statistics(pickle.dumps(statistics), "x").mean.numpy(), mean
    )


@pytest.mark.parametrize("count", [1000, 1000.5, np.float64(1000.5), np.float32(1000.5)])
def test_the_count_may_be_any_kind_of_number(count: Any) -> None:
    statistics = notebook_statistics()
    statistics.count = count
    assert float(parse_statistics(pickle.dumps(statistics), "x").count) == float(count)


def test_the_notebook_reads_our_files_and_acts_the_same(
    tmp_path: Path, make_model: ModelMaker
) -> None:
    model = make_model((256, 256))
    path = tmp_path / "best_model.pth"
    save_model(path, model)

    file = torch.load(path, weights_only=True)
    actor, critic = NotebookActor(), NotebookCritic()
    actor.load_state_dict(file["policy"])
    critic.load_state_dict(file["critic"])
    with open(tmp_path / "best_model_stats.pkl", "rb") as stream:
        statistics = pickle.load(stream)

    assert type(statistics) is GymnasiumRunningMeanStd
    assert statistics.mean.dtype == statistics.var.dtype == np.float64
    assert type(statistics.count) is float
    for observation in observations(20):
        np.testing.assert_allclose(
            notebook_action(actor, statistics, observation), model.act(observation), atol=1e-6
        )
    statistics.update(observations(10))  # it is alive: training can go on with it


def test_further_keys_of_our_files_are_plain(path: Path) -> None:
    file = torch.load(path, weights_only=True)
    for key, value in file.items():
        if key not in ("policy", "critic"):
            assert isinstance(value, str | int | float | list), key


# Statistics that are not there, or of something else ---------------------------------------------


def test_missing_statistics_are_refused_by_name(path: Path) -> None:
    statistics_path(path).unlink()
    assert "walker_stats.pkl is missing" in assert_refused(path)


def test_missing_statistics_may_be_allowed(path: Path, model: Policy) -> None:
    statistics_path(path).unlink()
    loaded = load_model(path, allow_missing_statistics=True)
    assert torch.equal(loaded.normalizer.mean, torch.zeros(24, dtype=torch.float64))
    observation = observations(1)[0]
    with torch.no_grad():
        expected = model.actor(torch.from_numpy(observation).clamp(-10, 10))
    np.testing.assert_allclose(loaded.act(observation), expected.numpy(), atol=1e-6)


def test_the_flag_does_not_allow_wrong_statistics(path: Path) -> None:
    statistics_path(path).write_bytes(b"junk")
    with pytest.raises(UserError):
        load_model(path, allow_missing_statistics=True)


@pytest.mark.usefixtures("no_waiting")
def test_statistics_of_another_model_are_refused(path: Path, make_model: ModelMaker) -> None:
    other = path.with_name("other.pth")
    save_model(other, make_model(seed=1))
    shutil.copy(statistics_path(other), statistics_path(path))
    assert_refused(path, "not the statistics that")


@pytest.mark.parametrize("shape", [(), (4,), (23,), (25,), (24, 1), (1, 24), (0,), (1000,)])
def test_statistics_of_another_shape_are_refused(
    tmp_path: Path, model: Policy, shape: tuple[int, ...]
) -> None:
    statistics = pickle.dumps(GymnasiumRunningMeanStd(shape=shape))
    assert_refused(write(tmp_path / "m.pth", contents_of(model), statistics))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, np.full(24, bad)) for name in ("mean", "var") for bad in (np.nan, np.inf)),
        ("var", np.full(24, -1.0)),
        ("var", np.where(np.arange(24) == 23, -1e-300, 1.0)),
        *(("count", bad) for bad in (math.nan, math.inf, 0.0, -1.0, "many", None, 10**400)),
        ("count", np.ones(24)),
        *((name, bad) for name in ("mean", "var") for bad in (None, "text", [0.0] * 24, 1.0)),
        ("mean", np.arange(24)),
        ("mean", np.zeros(24, dtype=np.complex128)),
        ("mean", np.zeros(24, dtype=np.float16)),
        ("mean", np.array([None] * 24)),
        ("mean", np.array(["1.0"] * 24)),
        ("var", np.ones((2, 12))),
    ],
)
def test_impossible_statistics_are_refused(
    tmp_path: Path, model: Policy, name: str, value: object
) -> None:
    statistics = notebook_statistics()
    setattr(statistics, name, value)
    assert_refused(write(tmp_path / "m.pth", contents_of(model), pickle.dumps(statistics)))


@pytest.mark.parametrize(
    "thing", [None, 1, "text", {}, {"mean": 0}, [], np.zeros(24), GymnasiumRunningMeanStd]
)
def test_other_pickles_are_refused(thing: object) -> None:
    with pytest.raises(UserError, match=r"x_stats\.pkl"):
        parse_statistics(pickle.dumps(thing), "x_stats.pkl")


@pytest.mark.parametrize("module", ["evil", "gymnasium", "gymnasium.wrappers.utils.x", "builtins"])
def test_a_class_of_the_same_name_elsewhere_is_refused(module: str) -> None:
    data = pickle.dumps(notebook_statistics(), protocol=2)
    data = data.replace(b"cgymnasium.wrappers.utils\n", f"c{module}\n".encode())
    with pytest.raises(UserError, match=f"'{module}.RunningMeanStd'"):
        parse_statistics(data, "x")


@pytest.mark.parametrize("missing", ["mean", "var", "count"])
def test_statistics_that_lack_a_number_are_refused(missing: str) -> None:
    statistics = notebook_statistics()
    delattr(statistics, missing)
    with pytest.raises(UserError):
        parse_statistics(pickle.dumps(statistics), "x")


# Damage ------------------------------------------------------------------------------------------


def lengths(data: bytes) -> list[int]:
    """Some twenty lengths shorter than the data."""
    return sorted(
        {0, 1, 2, len(data) - 1, len(data) - 2, *(len(data) * i // 17 for i in range(17))}
    )


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("which", ["model", "statistics"])
def test_a_file_cut_short_anywhere_is_refused(path: Path, which: str) -> None:
    victim = path if which == "model" else statistics_path(path)
    whole = victim.read_bytes()
    for length in lengths(whole):
        victim.write_bytes(whole[:length])
        assert_refused(path)


def test_statistics_without_a_digest_cut_short_anywhere_are_refused() -> None:
    for protocol in (2, 5):
        whole = pickle.dumps(notebook_statistics(), protocol=protocol)
        for length in range(len(whole)):
            with pytest.raises(UserError):
                parse_statistics(whole[:length], "x")


def flipped(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position // 8] ^= 1 << position % 8
    return bytes(changed)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("which", ["model", "statistics"])
def test_a_flipped_bit_is_refused_or_changes_nothing(path: Path, model: Policy, which: str) -> None:
    victim = path if which == "model" else statistics_path(path)
    whole = victim.read_bytes()
    rng = random.Random(1)
    refused = 0
    for _ in range(400 if which == "model" else 60):
        victim.write_bytes(flipped(whole, rng.randrange(8 * len(whole))))
        try:
            loaded = load_model(path)
        except UserError as error:
            refused += 1
            assert path.stem in str(error)
        else:
            assert same(loaded, model)
    assert refused > 20


@pytest.mark.usefixtures("no_waiting")
def test_a_flipped_bit_in_the_archive_directory_is_refused_or_changes_nothing(
    path: Path, model: Policy
) -> None:
    # Checksums do not cover the directory; this is where two readers of zip might disagree.
    whole = path.read_bytes()
    start = whole.index(b"PK\x01\x02")
    for position in random.Random(2).sample(range(8 * start, 8 * len(whole)), 200):
        path.write_bytes(flipped(whole, position))
        with contextlib.suppress(UserError):
            assert same(load_model(path), model)


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


# Code in files -----------------------------------------------------------------------------------


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
    """Pickles that make the file ``marker`` if anything in them runs."""
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
        for protocol in (b"", b"\x80\x02", b"\x80\x04"):
            yield title, protocol + call(*arguments) + b"."
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


def test_statistics_that_carry_code_are_refused_and_nothing_runs(tmp_path: Path) -> None:
    marker = tmp_path / "it_ran"
    for title, data in evil_statistics(marker):
        with pytest.raises(UserError) as caught:
            parse_statistics(data, "x_stats.pkl")
            pytest.fail(title)
        assert str(caught.value).isprintable(), title
        assert not marker.exists(), title


def test_the_payloads_of_these_tests_do_run_where_nothing_is_refused(tmp_path: Path) -> None:
    marker = tmp_path / "it_ran"
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


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "it_ran"


def evil_models(marker: Path, model: Policy) -> Iterator[tuple[str, bytes]]:
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
    path: Path, marker: Path, model: Policy
) -> None:
    for title, data in evil_models(marker, model):
        path.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert_refused(path)
        assert not marker.exists(), title


def test_a_torchscript_archive_is_refused_quietly(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_refused(path)


# Files made to exhaust memory or time ------------------------------------------------------------


@contextlib.contextmanager
def cheap(megabytes: int = 300, seconds: float = 5.0) -> Iterator[None]:
    """What happens here takes neither memory nor time."""
    started = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < megabytes * 1024
    assert time.monotonic() - started < seconds


def array_of(data: bytes, shape: bytes) -> bytes:
    """Opcodes of an array of doubles with these opcodes for data and shape."""
    dtype = b"cnumpy\ndtype\n(Vf8\nI00\nI01\ntR(I3\nV<\nNNNI-1\nI-1\nI0\ntb"
    return b"cnumpy.core.numeric\n_frombuffer\n(" + data + dtype + shape + b"VC\ntR"


def with_mean(mean: bytes) -> bytes:
    """Statistics whose mean is made by these opcodes."""
    start = b"\x80\x02cgymnasium.wrappers.utils\nRunningMeanStd\n)\x81}("
    return start + b"Vmean\n" + mean + b"Vvar\nF1.0\nVcount\nF1.0\nub."


BOMBS = {
    "memo index": b"\x80\x02Nr\xff\xff\xff\xff.",
    "bytearray announced": b"\x80\x05\x96" + (2 << 30).to_bytes(8, "little") + b".",
    "bytes announced": b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"x.",
    "text announced": b"\x80\x04\x8d" + (1 << 40).to_bytes(8, "little") + b"x.",
    "frame announced": b"\x80\x04\x95" + (1 << 62).to_bytes(8, "little") + b"N.",
    "a shape of 2^31": with_mean(array_of(b"U\x08abcdefgh", b"(L2147483648L\nt")),
    "2^31 as data": with_mean(array_of(b"L2147483648L\n", b"(I268435456\nt")),
    "a list as data": with_mean(array_of(b"](I1\nI2\ne", b"(I24\nt")),
    "texts encoded again and again": (
        b"\x80\x02c_codecs\nencode\nq\x00(V" + b"x" * 8000 + b"\nVlatin1\ntq\x01"
        + b"h\x00h\x01R" * 1600 + b"."
    ),
    "tuples in tuples, hashed": b"\x80\x02})" + b"\x85" * (MAX_STATISTICS_BYTES - 12) + b"K\x01s.",
    "lists in lists": b"\x80\x02" + b"]" * 8000 + b"a" * 7999 + b".",
    "an integer of many digits": b"I" + b"9" * 16000 + b"\n.",
    "padding": pickle.dumps(notebook_statistics()) + bytes(MAX_STATISTICS_BYTES),
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_statistics_that_are_a_bomb_are_refused(path: Path, bomb: str) -> None:
    contents = torch.load(path, weights_only=True)
    del contents["statistics_sha256"]
    write(path, contents, BOMBS[bomb])
    with cheap():
        assert_refused(path)


def test_a_huge_sparse_file_of_statistics_is_refused(path: Path) -> None:
    os.truncate(statistics_path(path), 1 << 40)
    with cheap():
        assert_refused(path, "too large")


def test_a_huge_sparse_model_is_refused(path: Path) -> None:
    os.truncate(path, 1 << 40)
    with cheap():
        assert_refused(path, "too large")


@pytest.mark.parametrize("special", ["/dev/zero", "/dev/full", "/dev/null"])
def test_devices_are_not_read(special: str) -> None:
    with cheap(), pytest.raises(UserError, match="not a file"):
        load_model(special)


def test_a_pipe_is_not_waited_for(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)
    with cheap():
        assert_refused(path, "not a file")


def test_a_zip_bomb_is_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("m/version", b"3")
        with archive.open("m/data.pkl", "w", force_zip64=True) as entry:
            for _ in range(400):
                entry.write(bytes(1 << 20))
    assert path.stat().st_size < 4 << 20
    with cheap(100, 1.0):
        assert_refused(path)


def test_a_zip_bomb_of_overlapping_entries_is_refused(path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("m/version", b"3")
        archive.writestr("m/data/0", bytes(1 << 20))
        entry = archive.getinfo("m/data/0")
        for number in range(1, 500):
            again = copy.copy(entry)
            again.filename = again.orig_filename = f"m/data/{number}"
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
    path.write_bytes(buffer.getvalue())
    with cheap(100, 1.0):
        assert_refused(path)


def stride_0(*shape: int) -> torch.Tensor:
    return torch.zeros(1).expand(*shape)


def widened(width: int, depth: int) -> dict[str, torch.Tensor]:
    """Weights of a large perceptron that take no space."""
    sizes = [24, *[width] * depth, 4]
    weights = {"log_std": torch.zeros(4)}
    for index in range(depth + 1):
        weights[f"net.{2 * index}.weight"] = stride_0(sizes[index + 1], sizes[index])
        weights[f"net.{2 * index}.bias"] = stride_0(sizes[index + 1])
    return weights


@pytest.mark.parametrize(
    "changes",
    [
        {"policy": widened(10**6, 2)},
        {"policy": widened(4096, 8)},
        {"policy": widened(2, 5000)},
        {"critic": widened(4096, 10)},
        {"critic": widened(2, 5000)},
        {"log_std": stride_0(10**6, 10**6)},
        {"log_std": stride_0(4)},
        {"net.0.bias": stride_0(10**9)},
        {"net.0.weight": stride_0(10**6, 10**6)},
        {"net.1.weight": stride_0(10**6)},
    ],
)
def test_weights_larger_than_their_file_are_refused(
    path: Path, model: Policy, changes: dict[str, Any]
) -> None:
    contents = contents_of(model)
    for name, value in changes.items():
        (contents if name in contents else contents["policy"])[name] = value
    write(path, contents)
    with cheap():
        assert_refused(path)


def test_a_storage_that_claims_more_than_it_has_is_refused(path: Path) -> None:
    torch.save({"a": torch.arange(4.0)}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    root = next(iter(parts)).split("/")[0]
    pickled = parts[f"{root}/data.pkl"]
    forged = pickled.replace(b"K\x04tq\x07Q", b"M\xa0\x0ftq\x07Q")
    forged = forged.replace(b"K\x00K\x04\x85", b"K\x00M\xa0\x0f\x85")
    assert len(forged) == len(pickled) + 2
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, forged if name.endswith("data.pkl") else part)
    with pytest.raises(UserError):
        load_state(path)


# Weights that are not this robot's ---------------------------------------------------------------


def perceptron(*sizes: int) -> OrderedDict[str, torch.Tensor]:
    weights: OrderedDict[str, torch.Tensor] = OrderedDict()
    for index, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        weights[f"net.{2 * index}.weight"] = torch.ones(fan_out, fan_in)
        weights[f"net.{2 * index}.bias"] = torch.ones(fan_out)
    return weights


def with_log_std(weights: OrderedDict[str, torch.Tensor], size: int = 4) -> Contents:
    return {**weights, "log_std": torch.zeros(size)}


GOOD: Contents = {"policy": with_log_std(perceptron(24, 8, 4)), "critic": perceptron(24, 8, 1)}


def test_the_weights_that_the_next_tests_spoil_are_good(path: Path) -> None:
    write(path, GOOD, pickle.dumps(notebook_statistics()))
    assert not load_model(path).info


def spoiled(**policy: object) -> Contents:
    return {**GOOD, "policy": {**GOOD["policy"], **policy}}


def without(*names: str) -> Contents:
    return {**GOOD, "policy": {k: v for k, v in GOOD["policy"].items() if k not in names}}


STRANGE: dict[str, object] = {
    "observations of 10": {**GOOD, "policy": with_log_std(perceptron(10, 8, 4))},
    "critic of 10": {**GOOD, "critic": perceptron(10, 8, 1)},
    "actions of 6": {**GOOD, "policy": with_log_std(perceptron(24, 8, 6), 6)},
    "log_std of 6": {**GOOD, "policy": with_log_std(perceptron(24, 8, 4), 6)},
    "log_std of 1": {**GOOD, "policy": with_log_std(perceptron(24, 8, 4), 1)},
    "log_std of 0 dimensions": spoiled(log_std=torch.tensor(0.0)),
    "values of 2": {**GOOD, "critic": perceptron(24, 8, 2)},
    "swapped": {"policy": GOOD["critic"], "critic": GOOD["policy"]},
    "inner sizes": spoiled(**{"net.2.weight": torch.ones(4, 9)}),
    "a bias of another size": spoiled(**{"net.0.bias": torch.ones(9)}),
    "a width of 0": {**GOOD, "policy": with_log_std(perceptron(24, 0, 4))},
    "no policy": {"critic": GOOD["critic"]},
    "no critic": {"policy": GOOD["policy"]},
    "no log_std": without("log_std"),
    "no bias": without("net.0.bias"),
    "no first layer": without("net.0.weight", "net.0.bias"),
    "no layers": without(*GOOD["policy"].keys() - {"log_std"}),
    "nothing": {"policy": {}, "critic": {}},
    "an extra layer": spoiled(**{"net.9.weight": torch.ones(4, 4)}),
    "an extra name": spoiled(other=torch.ones(4)),
    "numbers as names": {**GOOD, "policy": {1: torch.ones(4)}},
    "a layer without a number": spoiled(**{"net.x.weight": torch.ones(4, 4)}),
    "a text": spoiled(**{"net.0.weight": "w"}),
    "a list": spoiled(**{"net.0.weight": [[1.0]]}),
    "None": spoiled(log_std=None),
    "a number": spoiled(log_std=0.0),
    "integers": spoiled(**{"net.0.weight": torch.ones(8, 24, dtype=torch.int64)}),
    "booleans": spoiled(**{"net.0.bias": torch.ones(8, dtype=torch.bool)}),
    "complex": spoiled(**{"net.0.weight": torch.ones(8, 24, dtype=torch.complex64)}),
    "sparse": spoiled(**{"net.0.weight": torch.ones(8, 24).to_sparse()}),
    "meta": spoiled(**{"net.0.weight": torch.ones(8, 24, device="meta")}),
    "three dimensions": spoiled(**{"net.0.weight": torch.ones(8, 24, 1)}),
    "NaN": spoiled(**{"net.0.weight": torch.full((8, 24), math.nan)}),
    "infinite": spoiled(**{"net.2.bias": torch.tensor([0.0, 0.0, 0.0, math.inf])}),
    "infinite as float32": spoiled(**{"net.0.bias": torch.full((8,), 1e300, dtype=torch.float64)}),
    "log_std NaN": spoiled(log_std=torch.full((4,), math.nan)),
    "critic NaN": {**GOOD, "critic": {**GOOD["critic"], "net.0.bias": torch.full((8,), math.nan)}},
    "policy a list": {**GOOD, "policy": [("log_std", torch.zeros(4))]},
    "policy a tensor": {**GOOD, "policy": torch.zeros(4)},
    "policy None": {**GOOD, "policy": None},
    "policy a text": {**GOOD, "policy": "net"},
    "critic a number": {**GOOD, "critic": 1},
    **{
        f"activation {value!r}": {**GOOD, "activation": value}
        for value in ("gelu", "ReLU", "", None, 1, ["relu"], torch.ones(2), {"relu": 1})
    },
    **{
        f"std_bounds {value!r}": {**GOOD, "std_bounds": value}
        for value in (
            ["a"], ["a", "b"], "ab", 1, None, [], [0.1], [0.1, 0.2, 0.3], [math.nan, 1.0],
            [0.1, math.nan], [-1.0, 1.0], [0.0, 1.0], [1.0, 0.5], [0.1, math.inf], [None, 1.0],
            {0.1: 0.2, 0.3: 0.4}, torch.tensor([0.1, 1.0]), [torch.tensor(0.1), torch.tensor(1.0)],
            [0.1, 2**2000],
        )
    },
    "digest a number": {**GOOD, "statistics_sha256": 1},
    "digest a tensor": {**GOOD, "statistics_sha256": torch.ones(64)},
    "digest None": {**GOOD, "statistics_sha256": None},
    "not a dictionary": [1, 2, 3],
    "a tensor": torch.ones(3),
    "a text alone": "walker",
}  # fmt: skip


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("name", STRANGE)
def test_files_that_are_not_this_robot_are_refused(path: Path, name: str) -> None:
    write(path, STRANGE[name], pickle.dumps(notebook_statistics()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_refused(path)


def test_half_precision_and_double_weights_load(path: Path) -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        contents = spoiled(**{"net.0.weight": torch.ones((8, 24), dtype=dtype)})
        write(path, contents, pickle.dumps(notebook_statistics()))
        assert load_model(path).actor.net[0].weight.dtype == torch.float32


# Where a model is looked for ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec",
    ["nowhere.pth", "", "pretrained:", "pretrained:nobody", "pretrained:../x", "a" * 300, "a\0b"],
)
def test_a_model_that_is_not_there_is_a_mistake_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError):
        load_model(spec)


def test_a_name_just_short_enough_for_the_model_but_not_its_statistics(
    tmp_path: Path, model: Policy
) -> None:
    path = write(tmp_path / ("a" * 250 + ".pth"), contents_of(model))
    with pytest.raises(UserError, match="missing"):
        load_model(path)


def test_a_directory_without_a_best_model_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"best_model\.pth"):
        load_model(tmp_path)
    (tmp_path / "saved_models" / "best_model.pth").mkdir(parents=True)
    with pytest.raises(UserError, match=r"best_model\.pth"):
        load_model(tmp_path)


def test_the_statistics_given_as_the_model_are_refused(path: Path) -> None:
    assert_refused(statistics_path(path), "not a model file")


def test_pretrained_models_are_found_by_name(
    path: Path, model: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "PRETRAINED", path.parent)
    assert same(load_model("pretrained:walker"), model)
    with pytest.raises(UserError, match="known are walker"):
        load_model("pretrained:runner")


# What the files say ------------------------------------------------------------------------------


def test_a_description_is_plain_and_true(path: Path, model: Policy) -> None:
    facts = describe_model(path)
    assert facts["layers"] == "24-8-8-4"
    assert facts["layer_norm"] is True
    assert facts["activation"] == "relu"
    assert facts["env_id"] == "BipedalWalker-v3"
    assert facts["iteration"] == 7
    assert facts["observation_count"] == pytest.approx(200, abs=1)
    assert facts["policy_parameters"] == sum(p.numel() for p in model.actor.parameters())
    np.testing.assert_allclose(facts["observation_mean"], model.normalizer.mean)


def test_a_description_does_not_let_a_file_lie_about_facts(path: Path) -> None:
    contents = {
        **GOOD, "path": "/elsewhere", "sha256": "0" * 64, "statistics": "fine", "layers": "1-1",
        "policy_parameters": 1, "action_std": 7, "observation_count": 5,
        (1, 2): 3, 4: 5, "\x1b[31m": 1, "huge": 2**2000, "nan": math.nan, "x": "y\nz",
        "e": "\x1b[2J",
        "tensor": torch.ones(3), "nested": {"a": 1}, "env_id": "fine", "long": "a" * 10_000,
    }  # fmt: skip
    write(path, contents, pickle.dumps(notebook_statistics()))
    facts = describe_model(path)
    assert facts["path"] == str(path)
    assert facts["sha256"] != "0" * 64
    assert facts["statistics"] == str(statistics_path(path))
    assert facts["layers"] == "24-8-4"
    assert facts["policy_parameters"] > 1
    assert len(facts["action_std"]) == 4
    assert facts["observation_count"] > 100
    assert facts["env_id"] == "fine"
    assert not facts.keys() & {
        (1, 2),
        "\x1b[31m",
        "huge",
        "nan",
        "x",
        "e",
        "tensor",
        "nested",
        "long",
    }


def test_a_model_without_statistics_can_be_described(path: Path) -> None:
    statistics_path(path).unlink()
    facts = describe_model(path)
    assert facts["statistics"] == "missing"
    assert facts["observation_mean"] is None


# Crashes while writing ---------------------------------------------------------------------------


class KilledError(BaseException):
    """The process ends here; nothing that it would do afterwards happens."""


STEPS = 7
"""Open and flush two files, rename both, flush the directory."""


class Reaper:
    """Ends the process at the n-th step that a save makes towards the disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = math.inf
        monkeypatch.setattr(files.os, "replace", self._guard(os.replace))
        monkeypatch.setattr(files.os, "fsync", self._guard(lambda descriptor: None))
        monkeypatch.setattr(Path, "unlink", self._guard(Path.unlink))
        monkeypatch.setattr(files, "open", self._open, raising=False)

    def _step(self) -> None:
        if self.left <= 0:
            raise KilledError
        self.left -= 1

    def _guard(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*arguments: Any, **options: Any) -> Any:
            self._step()
            return function(*arguments, **options)

        return guarded

    def _open(self, *arguments: Any) -> Any:
        file = builtins.open(*arguments)  # noqa: SIM115
        try:
            self._step()  # killed with the file empty ...
            if self.left == 0:
                file.write(b"PK\x03\x04half a file")  # ... or begun
        except KilledError:
            file.close()
            raise
        return file

    def save(self, path: Path, model: Policy, steps: float) -> bool:
        """Save, but be killed after so many steps; returns whether it was."""
        self.left = steps
        try:
            save_model(path, model)
        except KilledError:
            return True
        finally:
            self.left = math.inf
        return False


@pytest.mark.usefixtures("no_waiting")
def test_a_kill_at_any_step_and_another_later_leave_a_whole_model(
    tmp_path: Path, make_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [make_model(seed=seed) for seed in range(3)]

    def index(path: Path) -> int:
        loaded = load_model(path)
        (found,) = (number for number, model in enumerate(models) if same(loaded, model))
        return found

    reaper = Reaper(monkeypatch)
    outcomes = set()
    for first, second in itertools.product(range(STEPS + 1), repeat=2):
        path = tmp_path / f"{first}-{second}.pth"
        reaper.save(path, models[0], math.inf)
        killed = reaper.save(path, models[1], first)
        after_first = index(path)
        assert killed == (first < STEPS)
        assert after_first in ((0, 1) if killed else (1,))
        killed = reaper.save(path, models[2], second)
        after_second = index(path)
        # What has once been readable does not become older.
        assert after_second in ((after_first, 2) if killed else (2,))
        reaper.save(path, models[0], math.inf)
        assert index(path) == 0
        outcomes.add((after_first, after_second))
    assert outcomes == {(0, 0), (0, 2), (1, 1), (1, 2)}


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("failing", [1, 2])
def test_a_rename_that_fails_leaves_a_whole_model(
    path: Path,
    model: Policy,
    make_model: ModelMaker,
    monkeypatch: pytest.MonkeyPatch,
    failing: int,
) -> None:
    newer = make_model(seed=1)
    calls = []

    def replace(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == failing:
            raise PermissionError(errno.EACCES, "in use by another process")
        os.rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", replace)
        with pytest.raises(PermissionError):
            save_model(path, newer)
    loaded = load_model(path)
    assert same(loaded, model) or same(loaded, newer)
    save_model(path, newer)
    assert same(load_model(path), newer)
    assert not temporary_path(path).exists()


@pytest.mark.parametrize("full_at", [1, 2])
def test_a_full_disk_leaves_the_old_files_and_no_litter(
    path: Path,
    model: Policy,
    make_model: ModelMaker,
    monkeypatch: pytest.MonkeyPatch,
    full_at: int,
) -> None:
    opened = []

    class FullDisk(io.FileIO):
        def write(self, data: Any) -> int:
            if len(opened) == full_at:
                super().write(bytes(data)[:100])
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    def open_file(name: Path, mode: str) -> FullDisk:
        opened.append(name)
        return FullDisk(name, mode)

    with monkeypatch.context() as patch:
        patch.setattr(files, "open", open_file, raising=False)
        with pytest.raises(OSError, match="No space left"):
            save_model(path, make_model(seed=1))
    assert same(load_model(path), model)
    assert sorted(p.name for p in path.parent.iterdir()) == ["walker.pth", "walker_stats.pkl"]


@pytest.mark.usefixtures("no_waiting")
def test_a_full_disk_after_a_kill_does_not_lose_the_model(
    path: Path, make_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = make_model(seed=1)
    with monkeypatch.context() as patch:
        reaper = Reaper(patch)
        steps = next(
            steps
            for steps in range(STEPS)
            if reaper.save(path, newer, steps) and same(load_model(path), newer)
        )
    assert temporary_path(path).exists(), steps

    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", no_space)
        with pytest.raises(OSError, match="No space"):
            save_model(path, make_model(seed=2))
    assert same(load_model(path), newer)


def test_a_reader_beside_a_writer_always_sees_a_whole_model(
    path: Path, model: Policy, make_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files.os, "fsync", lambda descriptor: None)
    models = [model, make_model((16,), seed=1)]
    stop = threading.Event()

    def keep_writing() -> None:
        while not stop.is_set():
            for each in models:
                save_model(path, each)
                time.sleep(0.01)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        for _ in range(60):
            loaded = load_model(path)
            assert any(len(bits(loaded)) == len(bits(m)) and same(loaded, m) for m in models)
    finally:
        stop.set()
        writer.join()
