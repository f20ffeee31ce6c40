"""Install a wheel into an environment of its own and use it: `check_wheel.py WHEEL`.

The dependencies are those of the Python that runs this script; nothing else of it is seen, least of
all a checkout. Ends with an error if anything of the package is missing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

USE = """
import sys
from contextlib import closing
import bipedal

assert bipedal.__file__.startswith(sys.prefix), bipedal.__file__
with closing(bipedal.make_vec(num_envs=2)) as envs:
    assert envs.reset(seed=0)[0].shape == (2, 24)
print(bipedal.__version__)
"""


def make_environment(folder: Path, wheel: Path) -> Path:
    """Make an environment with the wheel in it; returns the folder of its programs."""
    venv.create(folder, with_pip=False)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    python = programs / "python"
    find = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = subprocess.run([python, "-c", find], capture_output=True, text=True, check=True).stdout
    borrowed = sysconfig.get_path("purelib")
    (Path(own.strip()) / "borrowed.pth").write_text(borrowed + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--ignore-installed", wheel], check=True)
    return programs


def check(wheel: Path, folder: Path) -> str:
    """Use the wheel's package in a folder; returns its version."""
    programs = make_environment(folder / "environment", wheel)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(program: str, *arguments: str) -> str:
        done = subprocess.run(
            [programs / program, *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    version = run("python", "-c", USE)
    assert run("bipedal", "--version") == f"bipedal {version}"
    for model in ("pretrained:walker", "pretrained:hardcore"):
        score = json.loads(run("bipedal", "evaluate", model, "--episodes", "1", "--json"))
        assert score["mean_return"] > 250, score
    run("bipedal", "share", "pretrained:walker", "--out", "walker.html")
    run("bipedal", "export", "pretrained:walker", "--out", "walker.h", "--episodes", "0")
    short = ["--total-timesteps", "64", "--num-envs", "1", "--rollout-steps", "64"]
    short += ["--minibatch-size", "64", "--evaluation-episodes", "1", "--final-episodes", "0"]
    run("bipedal", "train", "--run-dir", "run", *short)
    run("bipedal", "report", "run")
    run("bipedal", "conformance", "bipedal:bipedal/BipedalWalker-v3")
    return version


def main() -> None:
    """Check the wheel that the arguments name."""
    wheel = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        version = check(wheel, Path(folder).resolve())
    print(f"{wheel.name} works (version {version})")


if __name__ == "__main__":
    main()
