"""The hash of a trial's configuration knows everything that the trial will use."""

import dataclasses
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from bipedal.config import TrainConfig
from bipedal.studies import MODULES, algorithms, configuration, find_study, kneeling
from bipedal.studies.configuration import (
    describe_difference,
    fingerprint,
    git_commit,
    plain,
    settings_of,
)

KNEELING = kneeling.STUDY
OTHER: dict[type, Any] = {int: 7, float: 0.125, str: "other", bool: True, tuple: (3, 3)}


def hash_of(name: str, arm: str, timesteps: int = 40_960, cores: int = 1) -> str:
    return fingerprint(settings_of(find_study(name), arm, timesteps, cores))


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(TrainConfig)])
def test_every_value_but_the_seed_counts(field: str) -> None:
    default = TrainConfig()
    value = getattr(default, field)
    other = not value if isinstance(value, bool) else OTHER[type(value or "")]
    change: dict[str, Any] = {field: other}
    changed = dataclasses.replace(default, **change)
    same = fingerprint(plain(changed)) == fingerprint(plain(default))
    assert same is (field == "seed")


@pytest.mark.parametrize("name", MODULES)
def test_every_arm_has_a_hash_of_its_own(name: str) -> None:
    study = find_study(name)
    hashes = [hash_of(name, arm, study.timesteps) for arm in study.arms]
    assert len(set(hashes)) == len(study.arms)
    assert hashes == [hash_of(name, arm, study.timesteps) for arm in study.arms]


def test_budget_cores_and_what_the_study_does_itself_count(monkeypatch: pytest.MonkeyPatch) -> None:
    arm = KNEELING.arms[0]
    before = hash_of("kneeling", arm)
    assert hash_of("kneeling", arm, timesteps=81_920) != before
    assert hash_of("kneeling", arm, cores=2) != before
    monkeypatch.setattr(kneeling, "EPISODES", 21)
    assert hash_of("kneeling", arm) != before


@pytest.mark.parametrize("package", ["torch", "warp-lang", "gymnasium"])
def test_versions_count(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = hash_of("kneeling", KNEELING.arms[0])
    monkeypatch.setattr(
        configuration, "version", lambda name: "0.0" if name == package else version(name)
    )
    assert hash_of("kneeling", KNEELING.arms[0]) != before


def test_the_packages_own_version_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = hash_of("kneeling", KNEELING.arms[0])
    monkeypatch.setattr(configuration, "__version__", "0.0")
    assert hash_of("kneeling", KNEELING.arms[0]) != before


def test_a_peers_library_and_hyperparameters_count(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(algorithms.STUDY, "TRPO", 1000, 1)
    assert {"stable_baselines3", "sb3_contrib"} <= set(settings["versions"])
    assert settings["peer"]["n_steps"] == 1024
    assert settings["peer"]["num_envs"] == 2


def test_a_packaged_model_counts_by_its_contents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TrainConfig(init_from="pretrained:walker")
    monkeypatch.setattr(configuration, "PRETRAINED", tmp_path)
    hashes = []
    for weights in (b"one", b"two"):
        (tmp_path / "walker.pth").write_bytes(weights)
        (tmp_path / "walker_stats.pkl").write_bytes(b"statistics")
        hashes.append(fingerprint(plain(config)))
    assert hashes[0] != hashes[1]


def test_a_hash_is_never_read_as_a_number() -> None:
    with pytest.raises(ValueError, match="could not convert"):
        float(fingerprint({}))


def test_a_difference_is_named() -> None:
    old = {"train": {"epochs": 10, "gamma": 0.9}, "cores": 1}
    new = {"train": {"epochs": 8, "gamma": 0.9}, "cores": 1}
    assert describe_difference(old, new) == "train.epochs 10, now 8"
    assert describe_difference({}, {"cores": 1}) == "cores None, now 1"


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_is_that_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.setattr(configuration, "PACKAGE", package)
    assert git_commit() is None
    git(tmp_path, "init")
    assert git_commit() is None  # installed inside a repository that is not its own
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--message", "x")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert git_commit() == commit
    (tmp_path / "table.csv").touch()  # not the package's
    assert git_commit() == commit
    (package / "__init__.py").write_text("changed = True\n")
    assert git_commit() == commit + "+"
