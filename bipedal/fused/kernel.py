"""The compiled part: Warp compiles `steps.cpp`, as it does the physics, for this machine."""

from __future__ import annotations

from pathlib import Path

import warp as wp

wp.set_module_options(
    {
        "enable_backward": False,
        "cpu_compiler_flags": "-march=native -ffp-contract=fast",
    }
)


@wp.func_native(Path(__file__).with_name("steps.cpp").read_text(encoding="utf-8"))
def take_steps(plan: wp.uint64):
    """Do what lies at this address; see `steps.cpp`."""
    ...


@wp.kernel
def steps_kernel(plan: wp.uint64):
    """Do it once."""
    take_steps(plan)
