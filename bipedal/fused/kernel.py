"""The compiled parts: Warp compiles the C++ files, as it does the physics, for this machine."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

import warp as wp

from bipedal.errors import RunFailedError
from bipedal.physics.kernels import load_kernels

wp.set_module_options(
    {"enable_backward": False, "cpu_compiler_flags": "-march=native -ffp-contract=fast"}
)


def _body(*names: str) -> str:
    """The body of a function: some files, with the network before them."""
    parts = (Path(__file__).with_name(f"{name}.cpp") for name in ("network", *names))
    return "\n".join(part.read_text(encoding="utf-8") for part in parts)


@wp.func_native(_body("steps"))
def take_steps(plan: wp.uint64):
    """Do what lies at this address; see `steps.cpp`."""
    ...


@wp.func_native(_body("normaliser", "between"))
def act_between(plan: wp.uint64):
    """Do what lies at this address; see `between.cpp`."""
    ...


@wp.func_native(_body("normaliser", "greedy"))
def act_greedily_between(plan: wp.uint64):
    """Do what lies at this address; see `greedy.cpp`."""
    ...


@wp.kernel
def steps_kernel(plan: wp.uint64):
    """Call `take_steps` once."""
    take_steps(plan)


@wp.kernel
def between_kernel(plan: wp.uint64):
    """Call `act_between` once."""
    act_between(plan)


@wp.kernel
def greedy_kernel(plan: wp.uint64):
    """Call `act_greedily_between` once."""
    act_greedily_between(plan)


_loading = threading.Lock()


def load() -> None:
    """Compile all kernels here, or fetch them from Warp's cache; `RunFailedError` if that fails."""
    with _loading:
        load_kernels([steps_kernel], "cpu")


def load_beside() -> None:
    """Begin to do so in a thread: compiling takes seconds, and the physics takes another core."""

    def try_to_load() -> None:
        with suppress(RunFailedError):  # `load` will say it
            load()

    threading.Thread(target=try_to_load, daemon=True).start()
