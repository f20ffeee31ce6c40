"""The page's scripts run by node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bipedal.live import ENGINE
from bipedal.live.share import PAGE

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")


def run_node(script: str, **given: Any) -> str:
    """What a script of this directory prints; it finds what is given as JSON on its input."""
    result = subprocess.run(
        [str(NODE), str(Path(__file__).with_name(script))],
        input=json.dumps({"page": str(PAGE), "engine": str(ENGINE), **given}),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout
