"""Presets are valid, have the numbers that they promise, and start from what they need."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from bipedal.errors import UserError
from bipedal.presets import (
    DEFAULT,
    NEXT_PRESETS,
    PRESETS,
    STARTS,
    check_start,
    get_preset,
    next_preset,
)
from bipedal.training_loop import train

FROM_SCRATCH = sorted(set(PRESETS) - set(STARTS))


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_valid_and_knows_its_name(name: str) -> None:
    preset = get_preset(name)
    if name in STARTS:
        preset = dataclasses.replace(preset, init_from="model.pth")
    check_start(preset)
    preset.validate()
    assert preset.preset == name


@pytest.mark.parametrize("name", ["", "Default", "default ", "nope", "__class__"])
def test_an_unknown_preset_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(UserError, match=r"unknown preset .* seed"):
        get_preset(name)


def test_the_seed_preset_has_the_numbers_of_the_notebook() -> None:
    assert dataclasses.asdict(get_preset("seed")) == {
        "preset": "seed",
        "env_id": "BipedalWalker-v3",
        "engine": "warp",
        "total_timesteps": 3_072_000,
        "seed": 9,
        "init_from": None,
        "device": "auto",
        "num_envs": 1,
        "rollout_steps": 2048,
        "minibatch_size": 64,
        "epochs": 10,
        "policy_learning_rate": 0.0003,
        "critic_learning_rate": 0.0004,
        "learning_rate_schedule": "constant",
        "final_learning_rate_scale": 0.02,
        "anneal_timesteps": 2_500_000,
        "restart_timesteps": 0,
        "gamma": 0.99,
        "final_gamma": 0.99,
        "gae_lambda": 0.95,
        "clip_range": 0.2,
        "entropy_coefficient": 0.001,
        "reward_floor": -100.0,
        "endless_course": False,
        "curriculum_share": 0.0,
        "replay_falls": 0.0,
        "torque_share": 0.0,
        "final_torque_share": 0.0,
        "posture_cost": 0.0,
        "max_grad_norm": 0.5,
        "adam_epsilon": 1e-8,
        "frames": 1,
        "frame_stride": 1,
        "hidden_sizes": (256, 256),
        "activation": "relu",
        "layer_norm": True,
        "initial_log_std": 0.0,
        "std_min": 0.001,
        "std_max": 1.0,
        "final_std_max": 1.0,
        "restart_std_max": 1.0,
        "checkpoint_interval": 100,
        "evaluation_interval": 50,
        "evaluation_episodes": 3,
        "evaluation_min_return": -1e9,
        "video_interval": 50,
        "best_by": "training",
        "best_window": 50,
        "stop_when_solved": False,
        "final_episodes": 100,
    }
    assert get_preset("seed").iterations == 1500
    assert get_preset("seed").batch_size == 2048


def test_hardcore_finetuning_takes_small_steps() -> None:
    preset = get_preset("hardcore-finetune")
    assert preset.env_id == "BipedalWalkerHardcore-v3"
    assert preset.policy_learning_rate == preset.critic_learning_rate == 1e-5
    assert preset.entropy_coefficient == 0.01


def test_hardcore_keeps_its_noise_and_is_judged_by_greedy_episodes() -> None:
    preset = get_preset("hardcore")
    assert preset.env_id == "BipedalWalkerHardcore-v3"
    assert preset.std_min <= math.exp(preset.initial_log_std) <= preset.std_max
    assert preset.std_max - preset.std_min < 0.02
    assert preset.best_by == "evaluation"
    assert preset.evaluation_interval * preset.batch_size * 7 < preset.total_timesteps


def test_hardcore_goes_on_with_caution_and_then_with_less_noise() -> None:
    bold, careful, polish = (
        get_preset(name) for name in ("hardcore", "hardcore-careful", "hardcore-polish")
    )
    assert bold.reward_floor > careful.reward_floor == polish.reward_floor == -100.0
    assert bold.gamma < careful.gamma == polish.gamma
    assert bold.std_min > careful.std_min == careful.final_std_max
    assert careful.std_max == polish.std_max > polish.final_std_max >= polish.std_min
    assert polish.anneal_timesteps == polish.total_timesteps
    for preset in (bold, careful, polish):
        assert preset.endless_course
        assert preset.gamma == preset.final_gamma


# Stages ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STARTS)
def test_a_preset_that_continues_from_a_model_does_not_choose_one(
    name: str, tmp_path: Path
) -> None:
    assert PRESETS[name].init_from is None
    with pytest.raises(UserError, match=f"preset {name} continues from a model: give --init-from"):
        train(PRESETS[name], tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", FROM_SCRATCH)
def test_the_other_presets_start_from_scratch_or_from_a_model(name: str) -> None:
    check_start(PRESETS[name])
    check_start(dataclasses.replace(PRESETS[name], init_from="model.pth"))


def test_the_next_preset_is_for_the_same_environment() -> None:
    assert next_preset(PRESETS["hardcore"]) == "hardcore-careful"
    flat = dataclasses.replace(PRESETS["hardcore"], env_id="BipedalWalker-v3")
    assert next_preset(flat) is None
    assert next_preset(DEFAULT) is None
    assert next_preset(PRESETS["hardcore-polish"]) is None


def test_hardcore_has_three_stages() -> None:
    stages = ["hardcore"]
    while (following := next_preset(PRESETS[stages[-1]])) is not None:
        stages.append(following)
    assert stages == ["hardcore", "hardcore-careful", "hardcore-polish"]


def test_the_stages_are_presets_that_continue_from_a_model() -> None:
    assert set(NEXT_PRESETS) <= set(PRESETS)
    assert set(NEXT_PRESETS.values()) <= set(STARTS) <= set(PRESETS)
