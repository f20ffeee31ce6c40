"""Lets the harness find what other tests write files with."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "loading"))
