"""ONNX files of strangers: whatever is in them, they are refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bipedal.config import MAX_WIDTH
from bipedal.errors import UserError
from bipedal.export.export import export_policy
from bipedal.loading import onnx_file
from bipedal.loading.load import describe_policy, load_policy
from bipedal.policy import Policy

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture
def exported(model: Policy, tmp_path: Path) -> Path:
    return export_policy(model, tmp_path / "policy.onnx")


def with_foreign_operator(model: Any) -> None:
    model.graph.node[1].op_type = "Exp"


def with_subgraph(model: Any) -> None:
    node = model.graph.node[0]
    node.op_type = "Loop"
    node.attribute.append(onnx.helper.make_attribute("body", onnx.GraphProto()))


def with_function(model: Any) -> None:
    model.functions.add().name = "f"


def with_data_elsewhere(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")


def with_other_input(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 25


def with_second_output(model: Any) -> None:
    model.graph.output.append(model.graph.output[0])


def with_rows_of_its_own(model: Any) -> None:
    """Subtracts a column, which makes a matrix of a row."""
    replace_constant(model, 0, np.zeros((100_000, 1)))


def with_a_layer_too_wide(model: Any) -> None:
    gemm = next(node for node in model.graph.node if node.op_type == "Gemm")
    width = MAX_WIDTH + 1
    for name, value in zip(gemm.input[1:], (np.zeros((width, 24)), np.zeros(width)), strict=True):
        number = [tensor.name for tensor in model.graph.initializer].index(name)
        replace_constant(model, number, value)


def with_layers_that_do_not_fit(model: Any) -> None:
    replace_constant(model, 0, np.zeros(7))


def replace_constant(model: Any, number: int, value: Any) -> None:
    tensor = model.graph.initializer[number]
    tensor.CopyFrom(onnx.numpy_helper.from_array(value, tensor.name))


@pytest.mark.parametrize(
    "damage",
    [
        with_foreign_operator,
        with_subgraph,
        with_function,
        with_data_elsewhere,
        with_other_input,
        with_second_output,
        with_rows_of_its_own,
        with_a_layer_too_wide,
        with_layers_that_do_not_fit,
    ],
)
def test_what_no_policy_needs_is_refused(exported: Path, damage: Callable[[Any], None]) -> None:
    load_policy(exported)  # else the rest shows nothing
    model = onnx.load(exported)
    damage(model)
    exported.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match=r"policy\.onnx is not a policy as bipedal export"):
        load_policy(exported)


def test_only_files_of_a_sensible_size_are_read(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "MAX_ONNX_BYTES", 100)
    with pytest.raises(UserError, match="too large"):
        load_policy(exported)
    folder = exported.with_name("folder.onnx")
    folder.mkdir()
    with pytest.raises(UserError, match=r"folder\.onnx: Is a directory"):
        load_policy(folder)
    with pytest.raises(UserError, match=r"nowhere\.onnx"):
        load_policy("nowhere.onnx")


def test_what_a_file_says_of_itself_is_shown_only_if_it_is_short_and_plain(exported: Path) -> None:
    model = onnx.load(exported)
    onnx.helper.set_model_props(
        model, {"env_id": "CartPole-v1", "a": "x\x1b[2J", "b": "y" * 300, "c\n": "z", "d": "fine"}
    )
    exported.write_bytes(model.SerializeToString())
    facts = describe_policy(exported)
    assert facts["env_id"] == "BipedalWalker-v3"
    assert facts["d"] == "fine"
    assert not {"a", "b", "c\n"} & facts.keys()


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(exported: Path, data: st.DataObject) -> None:
    whole = exported.read_bytes()
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    path = exported.with_name("damaged.onnx")
    path.write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    try:
        load_policy(path).act(np.zeros(24, dtype=np.float32))
    except UserError as error:
        assert "damaged.onnx" in str(error)
