"""What made a trial's numbers: its full configuration, by a hash, and the commit of the source."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bipedal import __version__
from bipedal.checkpoint import PRETRAINED
from bipedal.config import TrainConfig, config_to_json
from bipedal.studies.study import Study

PACKAGES = ("torch", "warp-lang", "gymnasium")
"""Whose versions can change a trial's numbers, beside this package's own; those that a study
requires come to them."""
PACKAGE = Path(__file__).parents[1]
Settings = Mapping[str, Any]
"""A full configuration, as plain values."""


def settings_of(study: Study, arm: str, timesteps: int, cores: int) -> Settings:
    """Everything that decides what a trial of an arm measures, apart from its seed."""
    settings = {
        "timesteps": timesteps,
        "cores": cores,
        **study.configure(arm, timesteps),
        "versions": {
            "bipedal": __version__,
            **{name: version(name) for name in (*PACKAGES, *study.requires)},
        },
    }
    plain: Settings = json.loads(json.dumps(settings))  # tuples become the lists they are read as
    return plain


def fingerprint(settings: Settings) -> str:
    """Hash of a configuration: equal for equal settings, whatever their order.

    Its first characters keep a table's reader from taking it for a number.
    """
    text = json.dumps(settings, sort_keys=True)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()[:16]


def describe_difference(recorded: Settings, now: Settings) -> str:
    """The first setting in which two configurations differ, in words."""
    old, new = _flat(recorded), _flat(now)
    for name in sorted({**old, **new}):
        if old.get(name) != new.get(name):
            return f"{name} {old.get(name)}, now {new.get(name)}"
    return "no difference"


def _flat(settings: Settings, prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted names."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def plain(config: TrainConfig) -> dict[str, Any]:
    """A training run's values without its seed; a packaged model it starts from by its contents."""
    values = config_to_json(config)
    del values["seed"]
    if config.init_from is not None and config.init_from.startswith("pretrained:"):
        values["init_from_sha256"] = pretrained_digest(config.init_from.removeprefix("pretrained:"))
    return values


def pretrained_digest(name: str) -> str:
    """SHA-256 of a packaged model's two files."""
    files = (PRETRAINED / f"{name}.pth", PRETRAINED / f"{name}_stats.pkl")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def git_commit() -> str | None:
    """Commit of the checkout that this package runs from, with a + if the package has changed.

    None where the package is not part of a repository, as in site-packages.
    """

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(PACKAGE), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")  # not a repository around an installation
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
