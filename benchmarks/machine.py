"""What results were measured on."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bipedal.processes import usable_cores

PACKAGES = ("bipedal", "gymnasium", "box2d", "warp-lang", "numpy", "torch")


def describe_machine() -> dict[str, Any]:
    """Processor, cores, system, and the versions that the engines depend on."""
    return {
        "cpu": processor(),
        "cores": usable_cores(),
        "system": platform.platform(),
        "versions": {"python": platform.python_version(), **installed_versions(PACKAGES)},
    }


def processor() -> str:
    """The processor's name, or at least its kind."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of packages, of those that are there."""
    versions = {}
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions
