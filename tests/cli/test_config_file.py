"""`train --config` and `train --dump-config`."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest
from commands import Captured, asked, assert_refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bipedal import cli, config_file
from bipedal.config_file import read_config_file
from bipedal.errors import UserError
from bipedal.presets import DEFAULT, PRESETS

pytestmark = pytest.mark.usefixtures("empty_directory", "no_training")


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_dumped_is_read_back(capsys: Captured, preset: str) -> None:
    start = ["--init-from", 'runs/a "quoted" name'] if "-" in preset else []
    options = ["--preset", preset, "--seed", "7", "--no-layer-norm", *start]
    assert cli.main(["train", *options, "--dump-config"]) == 0
    Path("mine.toml").write_text(capsys.readouterr().out)
    assert asked("--config", "mine.toml").config == asked(*options).config
    assert not Path("runs").exists()


def test_options_come_before_the_file_and_the_file_before_the_preset() -> None:
    Path("mine.toml").write_text(
        'preset = "seed"\ngamma = 0.9\nseed = 3\nhidden_sizes = [5, 6]\nstd_max = 2\n'
    )
    config = asked("--config", "mine.toml", "--seed", "4").config
    assert config == dataclasses.replace(
        PRESETS["seed"], gamma=0.9, seed=4, hidden_sizes=(5, 6), std_max=2.0
    )
    assert type(config.std_max) is float
    assert asked("--config", "mine.toml", "--preset", "default").config.epochs == DEFAULT.epochs


def test_a_dump_explains_each_value(capsys: Captured) -> None:
    assert cli.main(["train", "--dump-config"]) == 0
    text = capsys.readouterr().out
    assert "# Passes over each rollout\nepochs = 6\n" in text
    assert tomllib.loads(text).keys() == {
        field.name for field in dataclasses.fields(DEFAULT) if field.name != "init_from"
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gama = 0.9", "unknown option 'gama': perhaps you meant gamma"),
        ("gamma = ", "is not TOML"),
        ('gamma = "high"', "gamma cannot be 'high'"),
        ("epochs = 1.5", "epochs cannot be 1.5"),
        ("epochs = true", "epochs cannot be True"),
        ("layer_norm = 1", "layer_norm cannot be 1"),
        ("hidden_sizes = 64", "hidden_sizes cannot be 64"),
        ("hidden_sizes = [64.0]", "hidden_sizes cannot be [64.0]"),
        ("init_from = 3", "init_from cannot be 3"),
        ("gamma = 2.0", "--gamma must be"),
        ('preset = "fast"', "unknown preset 'fast'"),
        ("[train]\ngamma = 0.9", "unknown option 'train'"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--dump-config"]])
def test_a_file_that_makes_no_sense(
    capsys: Captured, text: str, says: str, more: list[str]
) -> None:
    Path("mine.toml").write_text(text)
    assert says in assert_refused(capsys, "train", "--config", "mine.toml", *more)


def test_a_file_that_cannot_be_read(capsys: Captured) -> None:
    assert "nowhere.toml" in assert_refused(capsys, "train", "--config", "nowhere.toml")
    Path("bytes.toml").write_bytes(b"\xff\xfe")
    assert "is not TOML" in assert_refused(capsys, "train", "--config", "bytes.toml")
    assert config_file.MAX_CONFIG_BYTES <= 1 << 20


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    path = Path("any.toml")
    path.write_text(text, errors="replace")
    try:
        read_config_file(path)
    except UserError as error:
        assert "any.toml" in str(error)
