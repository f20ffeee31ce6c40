"""Write a policy as an ONNX file, its observation statistics inside.

All of it is computed in float64, as in `Policy.act_batch`, so that the actions are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bipedal.errors import UserError
from bipedal.export.layers import Activation, GreedyPolicy, LayerNorm, Linear
from bipedal.walker import ACTION_DIM, OBSERVATION_DIM

if TYPE_CHECKING:
    import onnx

OPSET, IR_VERSION = 13, 7
"""Those of ONNX 1.8 (2020): older runtimes refuse files of newer ones."""
INPUT, OUTPUT = "observation", "action"
NEEDS_ONNX = "an .onnx file needs onnx and onnxruntime: pip install onnx onnxruntime"


def onnx_bytes(policy: GreedyPolicy, metadata: Mapping[str, str]) -> bytes:
    """The file: `observation` float32 (batch, 24) raw -> `action` float32 (batch, 4).

    `metadata` is written into it as it is. Raises `UserError` where onnx is not installed.
    """
    try:
        import onnx
    except ModuleNotFoundError:
        raise UserError(NEEDS_ONNX) from None
    builder = _Builder(onnx.TensorProto)
    shown = _normalise(builder, policy)
    for layer in policy.layers:
        shown = _add_layer(builder, layer, shown)
    builder.nodes.append(
        onnx.helper.make_node("Cast", [shown], [OUTPUT], to=onnx.TensorProto.FLOAT)
    )
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", width])
        for name, width in ((INPUT, OBSERVATION_DIM), (OUTPUT, ACTION_DIM))
    ]
    graph = onnx.helper.make_graph(
        builder.nodes, "policy", ends[:1], ends[1:], initializer=builder.constants
    )
    model = onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="bipedal",
    )
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


class _Builder:
    """Nodes and constants of a graph; each result gets a name of its own."""

    def __init__(self, types: Any) -> None:
        self.types = types
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: object) -> str:
        """Add an array of float64; returns its name."""
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=np.float64), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; returns the name of its result."""
        from onnx import helper

        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name


def _normalise(builder: _Builder, policy: GreedyPolicy) -> str:
    shown = builder.add("Cast", INPUT, to=builder.types.DOUBLE)
    shown = builder.add("Sub", shown, builder.constant(policy.mean))
    shown = builder.add("Div", shown, builder.constant(policy.std))
    bounds = (builder.constant(-policy.clip), builder.constant(policy.clip))
    shown = builder.add("Clip", shown, *bounds)
    shown = builder.add("Cast", shown, to=builder.types.FLOAT)
    return builder.add("Cast", shown, to=builder.types.DOUBLE)


def _add_layer(builder: _Builder, layer: Linear | LayerNorm | Activation, shown: str) -> str:
    if isinstance(layer, Activation):
        return builder.add({"relu": "Relu", "tanh": "Tanh"}[layer.kind], shown)
    parameters = (builder.constant(layer.weight), builder.constant(layer.bias))
    if isinstance(layer, Linear):
        return builder.add("Gemm", shown, *parameters, transB=1)
    # Not LayerNormalization, whose epsilon is a float32: in float64 that makes other actions.
    centred = builder.add("Sub", shown, _mean(builder, shown))
    variance = _mean(builder, builder.add("Mul", centred, centred))
    shifted = builder.add("Add", variance, builder.constant(layer.epsilon))
    scaled = builder.add("Div", centred, builder.add("Sqrt", shifted))
    weight, bias = parameters
    return builder.add("Add", builder.add("Mul", scaled, weight), bias)


def _mean(builder: _Builder, values: str) -> str:
    return builder.add("ReduceMean", values, axes=[-1], keepdims=1)
