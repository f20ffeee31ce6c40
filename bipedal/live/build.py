"""Compile the walker's physics into `engine.wasm`; `make wasm` runs this.

Warp writes C++ of the kernel `step_each`. A few lines of C++ around it give the kernel memory for
one environment, and the compiler of the package ziglang makes WebAssembly of the whole. The file
describes itself: its custom section "layout" says in JSON where each array is.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import warp as wp
from warp._src.context import ModuleBuilder

from bipedal.engines.warp import make_outcome, make_rules, make_scratch, quiet_warp
from bipedal.errors import RunFailedError
from bipedal.files import atomic_write
from bipedal.live import ENGINE
from bipedal.physics import constants
from bipedal.physics.blocks import step_each
from bipedal.physics.lanes import LANES
from bipedal.physics.robot import make_robot
from bipedal.physics.state import Ground, Walkers, describe_overflow, fields, make_rows
from bipedal.physics.terrain import DIFFICULTIES
from bipedal.physics.workspace import FIELDS
from bipedal.walker import ACTION_DIM, TIME_LIMITS

_COMPILE = [
    *("cc", "-c", "engine.cpp", "-o", "engine.o", "-target", "wasm32-freestanding"),
    *("-std=c++17", "-O2", "-g0", "-fno-exceptions", "-fno-rtti", "-mbulk-memory"),
    "-D_Float16=short",  # Warp's headers name the type; the compiler has none for WebAssembly
    "-ffp-contract=off",  # a fused multiply-add would round once where the engine rounds twice
]
_LINK = ["wasm-ld", "engine.o", "-o", "engine.wasm", "--no-entry", "--strip-all", "--gc-sections"]

SHOWN = ("LIDAR_RANGE", "TERRAIN_STEP", "TERRAIN_HEIGHT", "SCALE", "FPS")
"""Numbers of `constants` that a picture needs."""

_ALIGNMENT = 16


class Placed(NamedTuple):
    """An array in the engine's memory."""

    path: str
    """Its place among the kernel's arguments: `walkers.body`."""
    offset: int
    """Bytes from the beginning of the world."""
    values: npt.NDArray[Any]
    shape: tuple[int, ...]
    """As Warp has it; a vector is one element."""


def build(path: Path = ENGINE) -> None:
    """Write the engine's WebAssembly. Raises `RunFailedError` if ziglang is missing or fails."""
    placed, state = place_arrays()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "step_each.cpp").write_text(generate_kernel())
        (directory / "engine.cpp").write_text(generate_world(placed))
        compiled = compile_cpp(directory)
    section = custom_section("layout", json.dumps(describe(placed, state)).encode())
    atomic_write((path, compiled + section))


# The memory of one environment --------------------------------------------------------------------


def place_arrays() -> tuple[list[Placed], tuple[int, int]]:
    """Lay out the kernel's arrays; returns them and the bytes, from and to, of a snapshot.

    The robot comes first, then everything that decides what happens next, then the rest.
    """
    quiet_warp()
    outcome = fields(make_outcome(1, "cpu"))
    groups: list[dict[str, Any]] = [
        _named("robot", fields(make_robot("cpu"))),
        {
            **_named("ground", fields(make_rows(Ground, 1, "cpu"))),
            **_named("walkers", fields(make_rows(Walkers, 1, "cpu"))),
            "difficulty": wp.zeros((1, len(next(iter(DIFFICULTIES.values())).row())), dtype=float),
            **_named("outcome", outcome),
        },
        {
            "actions": wp.zeros((1, ACTION_DIM), dtype=float, device="cpu"),
            **_named("scratch", fields(make_scratch(1, "cpu"))),
            "floats": wp.zeros(FIELDS * LANES, dtype=float, device="cpu"),
        },
    ]
    placed: list[Placed] = []
    bounds = [0]
    for group in groups:
        end = bounds[-1]
        for path, array in group.items():
            placed.append(Placed(path, end, array.numpy(), array.shape))
            end += -(-placed[-1].values.nbytes // _ALIGNMENT) * _ALIGNMENT
        bounds.append(end)
    return placed, (bounds[1], bounds[2])


def _named(struct: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{struct}.{name}": array for name, array in arrays.items()}


def describe(placed: list[Placed], state: tuple[int, int]) -> dict[str, Any]:
    """What JavaScript has to know.

    An array is [offset, type, length]. An array of structs has the offset of its first element,
    the bytes of one (`stride`), their number, and its fields as arrays inside an element.
    """
    arrays, structs = {}, {}
    for path, offset, values, _ in placed:
        if path == "floats" or path.startswith("scratch."):
            continue
        name = path.split(".")[-1]
        if values.dtype.names is None:
            arrays[name] = [offset, _type(values.dtype), values.size]
        else:
            structs[name] = {
                "offset": offset,
                "stride": values.dtype.itemsize,
                "count": values.size,
                "fields": {path: place for path, *place in _leaves(values.dtype)},
            }
    return {
        "versions": versions(),
        "state": state,
        "arrays": arrays,
        "structs": structs,
        "difficulty": {env_id: row.row().tolist() for env_id, row in DIFFICULTIES.items()},
        "timeLimit": TIME_LIMITS,
        "overflow": [describe_overflow(np.array([bit], np.int32)) for bit in (1, 2, 4)],
        "constants": {name: getattr(constants, name) for name in SHOWN},
    }


def versions() -> dict[str, str]:
    """Those of the packages that make the code; with others it is the same physics in other bytes.

    Raises `RunFailedError` if ziglang is not installed.
    """
    try:
        return {name: metadata.version(name) for name in ("warp-lang", "ziglang")}
    except metadata.PackageNotFoundError as error:
        raise RunFailedError(
            f"{error.name} is missing: pip install 'bipedal-walker[dev]'"
        ) from None


def _leaves(dtype: np.dtype[Any], prefix: str = "", start: int = 0) -> Iterator[tuple[Any, ...]]:
    """The plain fields of a struct, those of structs inside it too: name, offset, type, length."""
    for name, (kind, offset, *_) in (dtype.fields or {}).items():
        if kind.names is not None:
            yield from _leaves(kind, f"{prefix}{name}.", start + offset)
        else:
            length = int(np.prod(kind.shape, dtype=int))
            yield prefix + name, start + offset, _type(kind.base), length


def _type(dtype: np.dtype[Any]) -> str:
    return "uint8" if dtype == np.bool_ else dtype.name


# C++ ----------------------------------------------------------------------------------------------


def generate_kernel() -> str:
    """Warp's C++ of `step_each`, with names that do not depend on its hash."""
    quiet_warp()
    module: Any = step_each.module
    wp.set_module_options({"strip_hash": True}, module=module)
    # Warp's own ahead-of-time compilation would also compile for this processor, for minutes.
    settings = module.resolve_options(wp.config) | {"output_arch": None}
    builder: Any = ModuleBuilder(module, settings, target="cpu")
    source: str = builder.codegen("cpu")
    return source


def generate_world(placed: list[Placed]) -> str:
    """C++ that holds the arrays, connects them with the kernel's arguments and runs it."""
    last = placed[-1]
    robot = [one for one in placed if one.path.startswith("robot.")]
    constant = bytearray(robot[-1].offset + robot[-1].values.nbytes)
    for _, offset, values, _ in robot:
        constant[offset : offset + values.nbytes] = values.tobytes()
    rules = make_rules(time_limit=0, autoreset=False)
    return _WORLD.format(
        size=last.offset + last.values.nbytes,
        constant=", ".join(map(str, constant)),
        places="\n".join(
            f"    static_assert(sizeof(*args.{path}.data) == {values.nbytes // np.prod(shape)});\n"
            f"    place(args.{path}, {offset}, {', '.join(map(str, shape))});"
            for path, offset, values, shape in placed
        ),
        generate_ground=rules.generate_ground,
        autoreset=rules.autoreset,
        dt_ratio=float(rules.dt_ratio).hex(),
    )


_WORLD = """
#include "step_each.cpp"
#undef float
#undef int

alignas(16) static unsigned char world[{size}];
static const unsigned char constant[] = {{ {constant} }};
alignas(16) static unsigned char memory[sizeof(wp_args_step_each)];
static wp_args_step_each& args = reinterpret_cast<wp_args_step_each&>(memory);

template <typename T, typename... Shape>
static void place(wp::array_t<T>& array, int offset, Shape... shape)
{{
    array = wp::array_t<T>(reinterpret_cast<T*>(world + offset), shape...);
}}

extern "C" __attribute__((export_name("connect"))) void connect()
{{
    __builtin_memcpy(world, constant, sizeof constant);
{places}
    args.rules.generate_ground = {generate_ground};
    args.rules.autoreset = {autoreset};
    args.rules.dt_ratio = {dt_ratio}f;
}}

// Without a standard library the compiler does not know that these are single instructions.
extern "C" float fabsf(float x) {{ return __builtin_elementwise_abs(x); }}
extern "C" float sqrtf(float x) {{ return __builtin_elementwise_sqrt(x); }}
extern "C" float floorf(float x) {{ return __builtin_elementwise_floor(x); }}
extern "C" double rint(double x) {{ return __builtin_elementwise_rint(x); }}

extern "C" __attribute__((export_name("world"))) unsigned char* address() {{ return world; }}

extern "C" __attribute__((export_name("advance"))) void advance(int resetting, int time_limit)
{{
    wp::launch_bounds_t<1> one = {{ {{ 1 }}, 1, 1 }};
    args.rules.time_limit = time_limit;
    args.resetting = resetting;
    args.scratch.active.data[0] = resetting;
    step_each_cpu_kernel_forward<true>(one, 0, &args);
}}
"""


def compile_cpp(directory: Path) -> bytes:
    """Compile `engine.cpp` in a directory to WebAssembly, without a standard library."""
    headers = Path(wp.__file__).parent / "native"
    for command in ([*_COMPILE, f"-I{headers}"], _LINK):
        result = subprocess.run(
            [sys.executable, "-m", "ziglang", *command],
            cwd=directory,
            capture_output=True,
            text=True,
        )
        if result.returncode != 0:
            raise RunFailedError(f"ziglang failed: {result.stderr[-2000:]}")
    return (directory / "engine.wasm").read_bytes()


# WebAssembly --------------------------------------------------------------------------------------


def custom_section(name: str, content: bytes) -> bytes:
    """A section of a WebAssembly file that its code does not see."""
    body = _length(len(name)) + name.encode() + content
    return b"\0" + _length(len(body)) + body


def _length(number: int) -> bytes:
    """An unsigned number as LEB128: seven bits a byte, the lowest first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


if __name__ == "__main__":
    build(*map(Path, sys.argv[1:]))
