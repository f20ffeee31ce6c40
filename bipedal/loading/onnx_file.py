"""Read a policy that `bipedal export` wrote as ONNX, and play it with onnxruntime.

A stranger's file is looked at before onnxruntime sees it. It may hold the handful of operators that
an exported policy consists of, no data in other files, and no array wider than a network's layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from bipedal.checkpoint import is_plain
from bipedal.config import MAX_WIDTH
from bipedal.errors import UserError
from bipedal.export.onnx_file import INPUT, NEEDS_ONNX, OUTPUT
from bipedal.files import read_file
from bipedal.foreign_policy import ForeignPolicy
from bipedal.policy import Statistics
from bipedal.walker import ACTION_DIM, ENV_IDS, OBSERVATION_DIM, WALKER_ID

if TYPE_CHECKING:
    import onnx

MAX_ONNX_BYTES = 256 << 20
"""Room for 30 million weights; those of a walker take 50 kB."""
OPERATORS = frozenset(
    ("Cast", "Sub", "Div", "Clip", "Gemm", "Relu", "Tanh", "ReduceMean", "Mul", "Add", "Sqrt")
)
ERROR_LEVEL = 3
"""Of onnxruntime's log."""


class OnnxPolicy(ForeignPolicy):
    """A policy in an ONNX file, with its statistics inside."""

    def __init__(self, session: Any, metadata: Mapping[str, str], path: Path) -> None:
        """Play an `onnxruntime.InferenceSession`; `metadata` is what the file says of itself."""
        env_id = metadata.get("env_id", WALKER_ID)
        super().__init__(
            nn.Sequential(_Network(session)),
            None,
            source="bipedal export",
            env_id=env_id if env_id in ENV_IDS else WALKER_ID,
        )
        self.metadata = dict(metadata)
        self._path = path

    def with_statistics(self, statistics: Statistics) -> OnnxPolicy:
        """The policy itself; `UserError` for other statistics than its own."""
        if statistics != "saved":
            raise UserError(
                f"{self._path} has its statistics inside: --statistics {statistics} needs the "
                "model that it was exported from"
            )
        return self


class _Network(nn.Module):
    """A session as a layer: raw observations (N, 24) to actions (N, 4)."""

    def __init__(self, session: Any) -> None:
        super().__init__()
        self._session = session

    def forward(self, observations: Tensor) -> Tensor:
        (actions,) = self._session.run([OUTPUT], {INPUT: observations.float().numpy()})
        return torch.from_numpy(actions)


def load_onnx(path: Path) -> OnnxPolicy:
    """Read an exported policy.

    Raises `UserError` for a file that is no such policy, and where onnx or onnxruntime is missing.
    """
    data = read_file(path, MAX_ONNX_BYTES)
    try:
        import onnx
        import onnxruntime
    except ModuleNotFoundError:
        raise UserError(NEEDS_ONNX) from None
    try:
        model = onnx.load_model_from_string(data)
        _check(model)
    except Exception:  # protobuf, onnx and _check each have their own
        raise UserError(f"{path} is not a policy as bipedal export writes it") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # as in training; a second costs more than it gives
    options.log_severity_level = ERROR_LEVEL
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise UserError(f"onnxruntime cannot play {path}: {str(error).splitlines()[0]}") from None
    said = {prop.key: prop.value for prop in model.metadata_props}
    return OnnxPolicy(session, {k: v for k, v in said.items() if _is_plain(k, v)}, path)


def _is_plain(name: str, text: str) -> bool:
    """Whether a fact out of a file may be shown: short, and without line ends and controls."""
    return name.isidentifier() and len(name) <= 40 and is_plain(text)


def _check(model: onnx.ModelProto) -> None:
    """ValueError, or an error of onnx, if a model is no exported policy."""
    import onnx

    graph = model.graph
    if model.functions or graph.sparse_initializer or model.training_info:
        raise ValueError("more than a graph")
    if not all(node.op_type in OPERATORS and node.domain in ("", "ai.onnx") for node in graph.node):
        raise ValueError("an operator that no policy needs")
    if any(tensor.external_data or tensor.data_location for tensor in graph.initializer):
        raise ValueError("data in another file")
    for values, name, width in (
        (graph.input, INPUT, OBSERVATION_DIM),
        (graph.output, OUTPUT, ACTION_DIM),
    ):
        (value,) = values
        if (value.name, _shape(value)[1:]) != (name, (width,)):
            raise ValueError("other ends than a policy's")
    onnx.checker.check_model(model)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph.value_info
    known = {value.name for value in inferred} | {OUTPUT}
    if not all(output in known for node in graph.node for output in node.output):
        raise ValueError("a result of unknown shape")
    for value in inferred:
        batch, width = _shape(value)
        if batch or not 0 < width <= MAX_WIDTH:  # a number of rows of its own, or too wide
            raise ValueError("a result of a shape that no policy has")


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    """Sizes of an array; 0 for a size that has a name instead of a number."""
    return tuple(cast(int, size.dim_value) for size in value.type.tensor_type.shape.dim)
