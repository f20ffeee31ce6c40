"""What the compiler makes of the physics for a GPU. It comes with Warp and needs no GPU."""

import re
from pathlib import Path

import pytest
import warp as wp

from bipedal.engines.warp import quiet_warp
from bipedal.physics.blocks import step_each

FLOAT_OPERATION = re.compile(
    rb"\b(add|sub|mul|div|sqrt|rcp|fma|mad|rsqrt|sin|cos|tanh|ex2|lg2)((?:\.\w+)*?)\.f(?:16|32|64)\b"
)
ROUNDED_ONCE = {b"add", b"sub", b"mul", b"div", b"sqrt", b"rcp"}
"""These are IEEE 754's where they say `.rn`: round to nearest, with subnormal numbers. Without it
two of them may become one; `.approx`, `.ftz` and `fma` give other bits."""


def inexact_operations(code: bytes) -> set[bytes]:
    """Operations of a PTX file that need not give a CPU's bits."""
    return {
        found.group()
        for found in FLOAT_OPERATION.finditer(code)
        if found[1] not in ROUNDED_ONCE or found[2] != b".rn"
    }


def test_operations_are_told_apart() -> None:
    exact = b"\tadd.rn.f32 \t%f3, %f1, %f2;\n\tdiv.rn.f64 %fd1, %fd2, %fd3;\n\tadd.s32 %r1, %r2, 1;"
    assert inexact_operations(exact) == set()
    for operation in (
        b"fma.rn.f32", b"mul.f32", b"div.full.f32", b"sqrt.approx.ftz.f32", b"add.rn.ftz.f32",
        b"sin.approx.f32",
    ):  # fmt: skip
        assert inexact_operations(exact + b"\n\t" + operation + b" %f1, %f2;") == {operation}


@pytest.mark.slow
def test_a_gpu_rounds_every_operation_as_a_cpu_does(tmp_path: Path) -> None:
    quiet_warp()
    (code,) = wp.compile_aot_module(step_each.module, arch=90, module_dir=tmp_path, use_ptx=True)
    assert len(FLOAT_OPERATION.findall(code.read_bytes())) > 1000
    assert inexact_operations(code.read_bytes()) == set()
