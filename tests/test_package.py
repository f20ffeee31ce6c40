"""The package as it is published: built, complete, and usable without a checkout."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_wheel_works_in_an_environment_of_its_own(tmp_path: Path) -> None:
    pytest.importorskip("build")
    pytest.importorskip("twine")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True)
    (wheel,), (source,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    assert wheel.name.startswith("bipedal_walker-")
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", wheel, source], check=True)
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", "bipedal/ppo.py"} <= names
    subprocess.run([sys.executable, ROOT / "packaging" / "check_wheel.py", wheel], check=True)
