"""Presets are sound and are what they say; no senseless value gets past."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bipedal.config import MAX_HIDDEN_LAYERS, TrainConfig, config_from_json, config_to_json
from bipedal.errors import UserError
from bipedal.presets import DEFAULT, PRESETS, get_preset

FIELDS = [field.name for field in dataclasses.fields(TrainConfig)]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_valid_and_knows_its_name(name: str) -> None:
    preset = get_preset(name)
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
        "engine": "gymnasium",
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
        "target_kl": 0.01,
        "gamma": 0.99,
        "final_gamma": 0.99,
        "gae_lambda": 0.95,
        "clip_range": 0.2,
        "entropy_coefficient": 0.001,
        "reward_floor": -100.0,
        "endless_course": False,
        "curriculum_share": 0.0,
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


def test_hardcore_finetuning_starts_from_a_walker_with_small_steps() -> None:
    preset = get_preset("hardcore-finetune")
    assert preset.env_id == "BipedalWalkerHardcore-v3"
    assert preset.init_from == "pretrained:walker"
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


def test_a_run_is_whole_iterations_rounded_up() -> None:
    config = dataclasses.replace(DEFAULT, num_envs=3, rollout_steps=5, total_timesteps=31)
    assert config.batch_size == 15
    assert config.iterations == 3
    assert dataclasses.replace(config, total_timesteps=30).iterations == 2
    assert dataclasses.replace(config, total_timesteps=1).iterations == 1


# Senseless values --------------------------------------------------------------------------------

ABOVE_0 = [
    "total_timesteps", "num_envs", "rollout_steps", "minibatch_size", "epochs",
    "policy_learning_rate", "critic_learning_rate", "target_kl", "gamma", "final_gamma",
    "clip_range", "max_grad_norm", "adam_epsilon", "std_min", "std_max", "final_std_max",
    "restart_std_max", "anneal_timesteps", "checkpoint_interval", "evaluation_episodes",
    "best_window", "frames", "frame_stride",
]  # fmt: skip
FROM_0 = [
    "seed", "gae_lambda", "entropy_coefficient",
    "final_learning_rate_scale", "evaluation_interval", "video_interval", "final_episodes",
]  # fmt: skip

INVALID: list[tuple[str, Any]] = [
    *((field, value) for field in ABOVE_0 for value in (0, -5, math.nan, math.inf, -math.inf)),
    *((field, value) for field in FROM_0 for value in (-1, math.nan, math.inf)),
    *((field, 1.5) for field in ("gamma", "final_gamma", "gae_lambda")),
    *(("reward_floor", value) for value in (1.0, math.nan)),
    *(("curriculum_share", value) for value in (-0.1, 1.1, math.nan)),
    ("curriculum_share", 0.5),  # flat ground has nothing to grow
    ("frames", 65),
    ("frame_stride", 1025),
    ("env_id", "CartPole-v1"),
    ("env_id", ""),
    ("engine", "mujoco"),
    ("device", "tpu"),
    ("learning_rate_schedule", "cosine"),
    ("activation", "gelu"),
    ("hidden_sizes", ()),
    ("hidden_sizes", (64, 0)),
    ("hidden_sizes", (-1,)),
    ("hidden_sizes", (5000,)),
    ("hidden_sizes", (8,) * (MAX_HIDDEN_LAYERS + 1)),
    ("minibatch_size", 64 * 128 + 1),
    ("best_by", "luck"),
    ("initial_log_std", 0.1),
    ("initial_log_std", -7.0),
    *(("initial_log_std", value) for value in (math.nan, math.inf, -math.inf, 1000.0, -1e300)),
    ("std_min", 0.9),
    ("std_min", 2.0),
    ("std_max", 0.1),
    ("std_max", 1e-9),
    ("final_std_max", 1e-9),
    ("seed", 2**31),
    ("seed", 2**70),
]


@pytest.mark.parametrize(("field", "value"), INVALID)
def test_a_senseless_value_is_refused_and_the_message_names_its_flag(
    field: str, value: object
) -> None:
    with pytest.raises(UserError) as caught:
        dataclasses.replace(DEFAULT, **{field: value}).validate()
    message = str(caught.value)
    assert "--" + field.replace("_", "-") in message
    assert "\n" not in message


def test_every_field_with_a_limit_is_tested_above() -> None:
    without_limit = {
        "preset", "init_from", "endless_course", "layer_norm", "stop_when_solved",
        "evaluation_min_return",
    }  # fmt: skip
    assert {field for field, _ in INVALID} == set(FIELDS) - without_limit


def test_the_best_evaluation_needs_evaluations() -> None:
    with pytest.raises(UserError, match="--evaluation-interval above 0"):
        dataclasses.replace(DEFAULT, evaluation_interval=0).validate()


def test_values_at_their_limits_are_accepted() -> None:
    for changes in (
        {"gamma": 1.0, "gae_lambda": 1.0},
        {"gae_lambda": 0.0, "entropy_coefficient": 0.0},
        {"minibatch_size": 64 * 128},
        {"initial_log_std": 0.0, "std_max": 1.0},
        {"initial_log_std": math.log(1e-3)},
        {"std_min": 0.5, "std_max": 0.5, "final_std_max": 0.5, "initial_log_std": math.log(0.5)},
        {"evaluation_interval": 0, "best_by": "training"},
        {"video_interval": 0, "final_episodes": 0},
        {"seed": 2**31 - 1},
        {"num_envs": 1, "rollout_steps": 1, "minibatch_size": 1, "total_timesteps": 1},
        {"hidden_sizes": (1,)},
        {"hidden_sizes": (4096,) * MAX_HIDDEN_LAYERS},
    ):
        dataclasses.replace(DEFAULT, **changes).validate()


# JSON --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_a_configuration_comes_back_from_json(name: str) -> None:
    text = json.dumps(config_to_json(PRESETS[name]), allow_nan=False)
    config = config_from_json(json.loads(text))
    assert config == PRESETS[name]
    assert isinstance(config.hidden_sizes, tuple)


@given(
    learning_rate=st.floats(1e-9, 1.0),
    hidden_sizes=st.lists(st.integers(1, 4096), min_size=1, max_size=MAX_HIDDEN_LAYERS),
    seed=st.integers(0, 2**31 - 1),
    init_from=st.none() | st.text(),
)
def test_any_configuration_comes_back_from_json(
    learning_rate: float, hidden_sizes: list[int], seed: int, init_from: str | None
) -> None:
    config = dataclasses.replace(
        DEFAULT,
        policy_learning_rate=learning_rate,
        hidden_sizes=tuple(hidden_sizes),
        seed=seed,
        init_from=init_from,
        std_max=1,
    )
    config.validate()
    assert config_from_json(json.loads(json.dumps(config_to_json(config)))) == config


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_too_few_is_refused_by_name(field: str) -> None:
    data = config_to_json(DEFAULT)
    del data[field]
    with pytest.raises(UserError, match=field):
        config_from_json(data)


def test_a_field_too_many_is_refused_by_name() -> None:
    with pytest.raises(UserError, match="momentum"):
        config_from_json({**config_to_json(DEFAULT), "momentum": 0.9})


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [None, "text", [], {}, ["a"], True, 1.5], ids=repr)
def test_a_value_of_another_type_is_refused_by_name(field: str, value: object) -> None:
    fits = {
        str: isinstance(value, str),
        type(None): value is None or isinstance(value, str),
        int: False,
        float: isinstance(value, float),
        bool: value is True,
        tuple: value == [],
    }
    data = {**config_to_json(DEFAULT), field: value}
    if fits[type(getattr(DEFAULT, field))]:
        config_from_json(data)
    else:
        with pytest.raises(UserError, match="--" + field.replace("_", "-")):
            config_from_json(data)


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DEFAULT.seed = 3  # type: ignore[misc]
