"""Where `load_model` looks for a model."""

from __future__ import annotations

from pathlib import Path

import pytest
from model_files import assert_refused, contents_of, same_model, write_files

from bipedal import checkpoint
from bipedal.checkpoint import load_model, save_model, statistics_path
from bipedal.errors import UserError
from bipedal.policy import Policy


@pytest.mark.parametrize(
    "spec",
    ["nowhere.pth", "", "pretrained:", "pretrained:nobody", "pretrained:../x", "a" * 300, "a\0b"],
)
def test_a_model_that_is_not_there_is_a_mistake_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError):
        load_model(spec)


def test_a_name_just_short_enough_for_the_model_but_not_its_statistics(
    tmp_path: Path, model: Policy
) -> None:
    path = write_files(tmp_path / ("a" * 250 + ".pth"), contents_of(model))
    with pytest.raises(UserError, match="missing"):
        load_model(path)


def test_a_run_directory_means_its_best_model(tmp_path: Path, model: Policy) -> None:
    (tmp_path / "saved_models").mkdir()
    save_model(tmp_path / "saved_models" / "best_model.pth", model)
    assert same_model(load_model(tmp_path), model)
    assert same_model(load_model(str(tmp_path)), model)


def test_a_directory_without_a_best_model_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"best_model\.pth"):
        load_model(tmp_path)
    (tmp_path / "saved_models" / "best_model.pth").mkdir(parents=True)
    with pytest.raises(UserError, match=r"best_model\.pth"):
        load_model(tmp_path)


def test_the_statistics_given_as_the_model_are_refused(model_path: Path) -> None:
    assert_refused(statistics_path(model_path), "not a model file")


def test_pretrained_models_are_found_by_name(
    model_path: Path, model: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "PRETRAINED", model_path.parent)
    assert same_model(load_model("pretrained:walker"), model)
    with pytest.raises(UserError, match="known are walker"):
        load_model("pretrained:runner")
