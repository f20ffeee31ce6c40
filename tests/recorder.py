"""What `bipedal.capture` does on CUDA, on a CPU: operations are recorded once and replayed.

A recording has the limits of a CUDA graph: the same operations, on the same memory, with the same
Python numbers, and no look at a value on the host. So what trains alike with and without it does
nothing that a graph would not repeat. Whether CUDA takes the operations only a GPU can say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from bipedal import capture
from bipedal.engines.warp import WarpEngine

HOST_LOOKS = ("aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::equal")
"""Operations for which the host waits, which no graph can hold."""


class Recorder(TorchDispatchMode):
    """Notes every operation, also those of backward passes, while it does them."""

    active: Recorder | None = None

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.jobs: list[Callable[[], None]] = []

    def __enter__(self) -> Any:
        Recorder.active = self
        return super().__enter__()  # type: ignore[no-untyped-call]

    def __exit__(self, *args: Any) -> None:
        Recorder.active = None
        super().__exit__(*args)  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name
        masks = any(
            isinstance(index, Tensor) and index.dtype == torch.bool
            for argument in args
            if isinstance(argument, list | tuple)
            for index in argument
        )
        if name in HOST_LOOKS or (name.startswith("aten::index") and masks):
            raise AssertionError(f"{name} waits for the GPU, so a graph cannot hold it")
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func.namespace == "profiler":
            return result
        self.jobs.append(lambda: _again(func, args, kwargs, result))
        return result


def _again(func: Any, args: Any, kwargs: Any, result: Any) -> None:
    """Do an operation on what its arguments hold now; its results stay where they were."""
    anew = func(*args, **kwargs)
    if isinstance(result, Tensor):
        result, anew = (result,), (anew,)
    for old, new in zip(result or (), anew or (), strict=True):
        if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():  # not in place, no view
            old.copy_(new)


class Recording:
    """A `capture.Graph`. Recording it does the work already, so the first replay does not."""

    def __init__(self, function: Callable[[], Any]) -> None:
        recorder = Recorder()
        with recorder:
            self.result = function()
        self._jobs = recorder.jobs
        self._done = True

    def replay(self) -> None:
        if not self._done:
            with torch.no_grad():
                for job in self._jobs:
                    job()
        self._done = False


@contextmanager
def recording() -> Iterator[list[Recording]]:
    """Record on the CPU what CUDA would record, within the `with` block; yields all recordings."""
    made: list[Recording] = []

    def record(function: Callable[[], Any], device: torch.device) -> Recording:
        made.append(Recording(function))
        return made[-1]

    launch, tolist = WarpEngine._launch, Tensor.tolist

    def noted_launch(engine: WarpEngine, *, resetting: bool) -> None:
        launch(engine, resetting=resetting)
        if Recorder.active is not None:
            Recorder.active.jobs.append(lambda: launch(engine, resetting=resetting))

    def checked_tolist(tensor: Tensor) -> Any:
        assert Recorder.active is None, "tolist waits for the GPU, so a graph cannot hold it"
        return tolist(tensor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capture, "records", lambda device: True)
        patch.setattr(capture, "run_aside", lambda function, device: function())
        patch.setattr(capture, "run_beside", lambda first, second, device: (first(), second()))
        patch.setattr(capture, "record", record)
        patch.setattr(WarpEngine, "_launch", noted_launch)
        patch.setattr(Tensor, "tolist", checked_tolist)
        yield made
