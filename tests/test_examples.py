"""The examples that show how to use the engine run as they are."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize(
    ("name", "budget", "printed"),
    [
        ("cleanrl_loop", "1", "iteration 0: return -"),
        ("torch_tensors", "1", "generation 0: mean return -"),
        ("stable_baselines", "100", "total_timesteps"),
    ],
)
def test_an_example_runs(name: str, budget: str, printed: str) -> None:
    if name == "stable_baselines":
        pytest.importorskip("stable_baselines3", reason="is an example of Stable-Baselines3")
    result = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", budget], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert printed in result.stdout
