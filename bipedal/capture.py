"""Functions of tensors that become CUDA graphs, and stay plain calls on a CPU.

A training iteration is thousands of small operations. A GPU does each of them faster than Python
can ask for it. A CUDA graph is a recording of such operations that is launched with one call.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")
Other = TypeVar("Other")


class Graph(Protocol[Result]):
    """A recorded call."""

    result: Result
    """What the call returned; `replay` writes into the same tensors."""

    def replay(self) -> None:
        """Do the same operations again, on the same memory."""
        ...


class Captured(Generic[Result]):
    """Calls a function; on CUDA as a graph, from the second call with arguments alike.

    The function may read and write tensors of its own as long as they stay where they are. It must
    not look at a value on the host: a replay would not look again. A Python number that it uses is
    recorded as it was. What it returns on CUDA is overwritten by the next call.
    """

    def __init__(self, function: Callable[..., Result], device: torch.device) -> None:
        """Wrap a function whose tensors are on `device`."""
        self._function = function
        self._device = device
        self._calls: dict[Hashable, _Call[Result]] = {}

    def __call__(self, *inputs: Tensor, variant: Hashable = None) -> Result:
        """Call the function with tensors, which may be others each time.

        There is a graph for each shape of the inputs and each `variant`: whatever else makes the
        function do other operations.
        """
        if not records(self._device):
            return self._function(*inputs)
        key = (variant, *((tensor.shape, tensor.dtype) for tensor in inputs))
        if key not in self._calls:
            self._calls[key] = _Call(self._function, inputs, self._device)
        return self._calls[key](inputs)


class _Call(Generic[Result]):
    """A function with inputs of fixed shapes."""

    def __init__(
        self, function: Callable[..., Result], inputs: Sequence[Tensor], device: torch.device
    ) -> None:
        self._function = function
        self._inputs = [torch.empty_like(tensor) for tensor in inputs]
        self._device = device
        self._warm = False
        self._graph: Graph[Result] | None = None

    def __call__(self, inputs: Sequence[Tensor]) -> Result:
        """Work as usual the first time: libraries and optimisers make room for themselves then."""
        for own, given in zip(self._inputs, inputs, strict=True):
            own.copy_(given)
        if not self._warm:
            self._warm = True
            return run_aside(self._run, self._device)
        if self._graph is None:
            self._graph = record(self._run, self._device)
        self._graph.replay()
        return self._graph.result

    def _run(self) -> Result:
        return self._function(*self._inputs)


# What needs a GPU; tests put a recorder for CPUs in the place of these four ----------------------


def records(device: torch.device) -> bool:
    """Whether calls on this device are recorded."""
    return device.type == "cuda"


def run_aside(function: Callable[[], Result], device: torch.device) -> Result:
    """Call a function on the stream that `record` uses, between what came and what comes.

    Autograd remembers the stream that it first saw a parameter on.
    """
    current = torch.cuda.current_stream(device)
    aside = _recording_stream(device)
    aside.wait_stream(current)
    with torch.cuda.stream(aside):
        result = function()
    current.wait_stream(aside)
    return result


def run_beside(
    first: Callable[[], Result], second: Callable[[], Other], device: torch.device
) -> tuple[Result, Other]:
    """Do two things at the same time: on two streams of a GPU, or in two threads of a CPU."""
    if device.type != "cuda":
        with ThreadPoolExecutor(1) as other_thread:
            started = other_thread.submit(first)
            other = second()
        return started.result(), other
    current = torch.cuda.current_stream(device)
    beside = _stream(device, "beside")
    beside.wait_stream(current)
    with torch.cuda.stream(beside):
        result = first()
    other = second()
    current.wait_stream(beside)
    return result, other


def record(function: Callable[[], Result], device: torch.device) -> Graph[Result]:
    """Record what a function does on the GPU, without doing it."""
    return _CudaGraph(function, device)


class _CudaGraph(Generic[Result]):
    """A `Graph` of CUDA's."""

    def __init__(self, function: Callable[[], Result], device: torch.device) -> None:
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, stream=_recording_stream(device)):
            self.result = function()

    def replay(self) -> None:
        self._graph.replay()


_streams: dict[tuple[torch.device, Hashable], Any] = {}


def _stream(device: torch.device, use: Hashable) -> Any:
    """A stream of our own for a use of it."""
    if (device, use) not in _streams:
        _streams[device, use] = torch.cuda.Stream(device)
    return _streams[device, use]


def _recording_stream(device: torch.device) -> Any:
    """The stream to record graphs on which will be launched on the current stream.

    Matrix products use a workspace that belongs to their stream, and a graph goes on using that of
    the stream it was recorded on. Two graphs that run at the same time must not share it: products
    that count in it which parts are done would wait for each other for ever, or add up wrongly.
    """
    return _stream(device, torch.cuda.current_stream(device))
