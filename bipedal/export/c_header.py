"""Write a policy as a C header that needs nothing but the C standard library."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bipedal.export.layers import Activation, Doubles, GreedyPolicy, LayerNorm
from bipedal.walker import ACTION_DIM, OBSERVATION_DIM

NUMBERS_A_LINE = 8

TOP = """/* A greedy policy of Gymnasium's bipedal walker, written by bipedal export.
 *
 * bipedal_act takes one raw observation and gives one action, four torques from -1 to 1.
 * Normalisation is inside. It needs no memory but {stack} numbers on the stack.
 *
{metadata}
 */
#ifndef BIPEDAL_POLICY_H
#define BIPEDAL_POLICY_H

#include <math.h>

/* What it computes with. double gives the actions of the Python package; where only float is fast,
 * define BIPEDAL_REAL as float: actions of pretrained:walker then differ by 1e-6. */
#ifndef BIPEDAL_REAL
#define BIPEDAL_REAL double
#endif
"""

FUNCTIONS = """
/* y = weight x + bias; weight is stored row by row. */
static inline void bipedal_linear(const float *weight, const float *bias, int inputs, int outputs,
                                  const BIPEDAL_REAL *x, BIPEDAL_REAL *y) {
    for (int i = 0; i < outputs; i++) {
        BIPEDAL_REAL sum = bias[i];
        for (int j = 0; j < inputs; j++) sum += weight[i * inputs + j] * x[j];
        y[i] = sum;
    }
}

/* x = (x - mean) / sqrt(variance + epsilon) * weight + bias */
static inline void bipedal_layer_norm(const float *weight, const float *bias, double epsilon,
                                      int width, BIPEDAL_REAL *x) {
    BIPEDAL_REAL mean = 0, variance = 0;
    for (int i = 0; i < width; i++) mean += x[i] / width;
    for (int i = 0; i < width; i++) variance += (x[i] - mean) * (x[i] - mean) / width;
    const BIPEDAL_REAL scale = (BIPEDAL_REAL)(1 / sqrt(variance + epsilon));
    for (int i = 0; i < width; i++) x[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

static inline void bipedal_relu(int width, BIPEDAL_REAL *x) {
    for (int i = 0; i < width; i++) x[i] = x[i] > 0 ? x[i] : 0;
}

static inline void bipedal_tanh(int width, BIPEDAL_REAL *x) {
    for (int i = 0; i < width; i++) x[i] = (BIPEDAL_REAL)tanh(x[i]);
}
"""

ACT = """
static inline void bipedal_act(const float observation[{inputs}], float action[{outputs}]) {{
    BIPEDAL_REAL here[{width}], there[{width}];
    for (int i = 0; i < {inputs}; i++) {{
        double scaled = (observation[i] - bipedal_mean[i]) / bipedal_std[i];
        scaled = scaled > {clip} ? {clip} : scaled < -{clip} ? -{clip} : scaled;
        here[i] = (float)scaled;
    }}
{calls}
    for (int i = 0; i < {outputs}; i++) action[i] = (float){last}[i];
}}

#endif
"""


def c_header(policy: GreedyPolicy, metadata: Mapping[str, str]) -> str:
    """The text of the header; `metadata` stands in the comment at its top.

    Weights are floats, as in a model file.
    """
    arrays = [_array("double", "mean", policy.mean), _array("double", "std", policy.std)]
    calls: list[str] = []
    widths = [OBSERVATION_DIM]
    here, there = "here", "there"
    for number, layer in enumerate(policy.layers):
        if isinstance(layer, Activation):
            calls.append(f"bipedal_{layer.kind}({widths[-1]}, {here});")
            continue
        arrays.append(_array("float", f"weight_{number}", layer.weight))
        arrays.append(_array("float", f"bias_{number}", layer.bias))
        names = f"bipedal_weight_{number}, bipedal_bias_{number}"
        if isinstance(layer, LayerNorm):
            sizes = f"{layer.epsilon!r}, {widths[-1]}"
            calls.append(f"bipedal_layer_norm({names}, {sizes}, {here});")
            continue
        widths.append(len(layer.bias))
        sizes = f"{widths[-2]}, {widths[-1]}"
        calls.append(f"bipedal_linear({names}, {sizes}, {here}, {there});")
        here, there = there, here
    numbers = {
        "inputs": OBSERVATION_DIM,
        "outputs": ACTION_DIM,
        "width": max(widths),
        "stack": 2 * max(widths),
        "clip": repr(policy.clip),
        "calls": "\n".join(f"    {call}" for call in calls),
        "last": here,
        "metadata": "\n".join(f" * {name}: {_plain(text)}" for name, text in metadata.items()),
    }
    return TOP.format(**numbers) + "".join(arrays) + FUNCTIONS + ACT.format(**numbers)


def _array(kind: str, name: str, values: Doubles) -> str:
    """Define an array with enough digits to be read back exactly."""
    if kind == "float":
        texts = [f"{np.float32(value)!s}f" for value in values.flat]
    else:
        texts = [repr(float(value)) for value in values.flat]
    lines = [
        "    " + ", ".join(texts[start : start + NUMBERS_A_LINE])
        for start in range(0, len(texts), NUMBERS_A_LINE)
    ]
    body = ",\n".join(lines)
    return f"\nstatic const {kind} bipedal_{name}[{len(texts)}] = {{\n{body}\n}};\n"


def _plain(text: str) -> str:
    """Text that ends neither its line nor the comment."""
    return "".join(c for c in text if c.isprintable()).replace("*/", "* /")
