"""No senseless value gets past; configurations are written and read, older ones too."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bipedal import seeds
from bipedal.config import (
    MANY,
    MAX_HIDDEN_LAYERS,
    MAX_WIDTH,
    RAW_REWARD,
    TrainConfig,
    config_from_json,
    config_to_json,
)
from bipedal.errors import UserError
from bipedal.presets import DEFAULT, PRESETS
from bipedal.walker import check_seed

FIELDS = [field.name for field in dataclasses.fields(TrainConfig)]


def test_a_run_is_whole_iterations_rounded_up() -> None:
    config = dataclasses.replace(DEFAULT, num_envs=3, rollout_steps=5, total_timesteps=31)
    assert config.batch_size == 15
    assert config.iterations == 3
    assert dataclasses.replace(config, total_timesteps=30).iterations == 2
    assert dataclasses.replace(config, total_timesteps=1).iterations == 1


# Senseless values --------------------------------------------------------------------------------

ABOVE_0 = [
    "total_timesteps", "num_envs", "rollout_steps", "minibatch_size", "epochs",
    "policy_learning_rate", "critic_learning_rate", "gamma", "final_gamma", "clip_range",
    "max_grad_norm", "adam_epsilon", "std_min", "std_max", "final_std_max", "restart_std_max",
    "anneal_timesteps", "checkpoint_interval", "evaluation_episodes", "best_window", "frames",
    "frame_stride",
]  # fmt: skip
FROM_0 = [
    "seed", "gae_lambda", "entropy_coefficient", "final_learning_rate_scale", "curriculum_share",
    "replay_falls", "restart_timesteps",
    "evaluation_interval", "video_interval", "final_episodes",
]  # fmt: skip
OTHER_NUMBERS = ["reward_floor", "initial_log_std", "evaluation_min_return"]

INVALID: list[tuple[str, Any]] = [
    *((field, value) for field in ABOVE_0 for value in (0, -5)),
    *((field, -1) for field in FROM_0),
    *(
        (field, value)
        for field in (*ABOVE_0, *FROM_0, *OTHER_NUMBERS)
        for value in (math.nan, math.inf, -math.inf, 1e308, 10**400, -(10**400))
    ),
    *((field, value) for field in ("gamma", "final_gamma") for value in (1, 1.0, 1.5)),
    *(
        (field, 1.5)
        for field in ("gae_lambda", "curriculum_share", "replay_falls", "final_learning_rate_scale")
    ),
    ("seed", 1_000_000),  # from here on they are kept for scores and evaluations
    ("seed", 2**31),
    ("num_envs", 3_000_000_000),
    ("rollout_steps", 10**12),
    ("evaluation_episodes", 30_000_000),
    ("epochs", 99_999_999_999_999_999_999),
    ("best_window", 10**30),
    ("total_timesteps", 10**30),
    ("std_max", 100.0),
    ("reward_floor", 1.0),
    ("reward_floor", -101.0),
    ("curriculum_share", 0.5),  # flat ground has nothing to grow
    ("frames", 65),
    ("frame_stride", 1025),
    ("torque_share", -0.1),
    ("torque_share", 1.0),
    ("final_torque_share", 1.0),
    ("posture_cost", -0.1),
    ("posture_cost", 11.0),
    ("env_id", "CartPole-v1"),
    ("env_id", ""),
    ("engine", "mujoco"),
    ("device", "tpu"),
    ("learning_rate_schedule", "cosine"),
    ("learning_rate_schedule", "adaptive"),
    ("activation", "gelu"),
    ("hidden_sizes", ()),
    ("hidden_sizes", (64, 0)),
    ("hidden_sizes", (-1,)),
    ("hidden_sizes", (5000,)),
    ("hidden_sizes", (8,) * (MAX_HIDDEN_LAYERS + 1)),
    ("hidden_sizes", (MAX_WIDTH,) * MAX_HIDDEN_LAYERS),
    ("minibatch_size", 64 * 128 + 1),
    ("best_by", "luck"),
    ("initial_log_std", 0.1),
    ("initial_log_std", -7.0),
    ("std_min", 0.9),
    ("std_min", 2.0),
    ("std_max", 0.1),
    ("std_max", 1e-9),
    ("final_std_max", 1e-9),
    ("restart_std_max", 1e-9),
]


def changed(config: TrainConfig, **changes: Any) -> TrainConfig:
    """Also with what a type checker would refuse."""
    return dataclasses.replace(config, **changes)


@pytest.mark.parametrize(("field", "value"), INVALID)
def test_a_senseless_value_is_refused_and_the_message_names_its_flag(
    field: str, value: object
) -> None:
    with pytest.raises(UserError) as caught:
        changed(DEFAULT, **{field: value}).validate()
    message = str(caught.value)
    assert "--" + field.replace("_", "-") in message
    assert "\n" not in message


def test_every_field_with_a_limit_is_tested_above() -> None:
    without_limit = {"preset", "init_from", "endless_course", "layer_norm", "stop_when_solved"}
    assert {field for field, _ in INVALID} == set(FIELDS) - without_limit


@pytest.mark.parametrize("upper", ["std_max", "final_std_max", "restart_std_max"])
def test_no_upper_bound_of_the_standard_deviation_is_below_the_lower_one(upper: str) -> None:
    bounds = dict.fromkeys(("std_min", "std_max", "final_std_max", "restart_std_max"), 0.3)
    config = changed(DEFAULT, initial_log_std=math.log(0.3), **bounds)
    config.validate()
    with pytest.raises(UserError, match=r"0\.2 is below --std-min 0\.3"):
        changed(config, **{upper: 0.2}).validate()


def test_a_batch_that_no_memory_holds_is_refused() -> None:
    big = dataclasses.replace(DEFAULT, num_envs=10_000, rollout_steps=1_000)
    big.validate()
    for changes in ({"num_envs": 10_001}, {"rollout_steps": 1_001}, {"frames": 2}):
        with pytest.raises(UserError, match="too much memory"):
            changed(big, **changes).validate()


def test_a_limit_is_told_in_words() -> None:
    with pytest.raises(UserError) as caught:
        dataclasses.replace(DEFAULT, gamma=1.0).validate()
    assert str(caught.value) == "--gamma must be above 0 and below 1, not 1.0"
    with pytest.raises(UserError) as caught:
        dataclasses.replace(DEFAULT, seed=2_000_000).validate()
    assert str(caught.value) == "--seed must be from 0 to 999,999, not 2000000"
    with pytest.raises(UserError) as caught:
        changed(DEFAULT, device="tpu").validate()
    assert str(caught.value) == "--device must be one of auto, cpu, cuda, not 'tpu'"


def test_the_best_evaluation_needs_evaluations() -> None:
    with pytest.raises(UserError, match="--evaluation-interval above 0"):
        dataclasses.replace(DEFAULT, evaluation_interval=0).validate()


def test_values_at_their_limits_are_accepted() -> None:
    for changes in (
        {"gamma": 1e-9, "final_gamma": 1.0 - 1e-9, "gae_lambda": 1.0},
        {"gae_lambda": 0.0, "entropy_coefficient": 0.0},
        {"minibatch_size": 64 * 128},
        {"initial_log_std": 0.0, "std_max": 1.0},
        {"initial_log_std": math.log(1e-3)},
        {"initial_log_std": 1.0, "init_from": "model.pth"},
        {"std_min": 0.5, "std_max": 0.5, "final_std_max": 0.5, "initial_log_std": math.log(0.5)},
        {"evaluation_interval": 0, "best_by": "training"},
        {"video_interval": 0, "final_episodes": 0},
        {"seed": 999_999},
        {"num_envs": 1, "rollout_steps": 1, "minibatch_size": 1, "total_timesteps": 1},
        {"total_timesteps": MANY, "anneal_timesteps": MANY},
        {"hidden_sizes": (1,)},
        {"hidden_sizes": (MAX_WIDTH, MAX_WIDTH)},
        {"hidden_sizes": (256,) * MAX_HIDDEN_LAYERS},
    ):
        dataclasses.replace(DEFAULT, **changes).validate()


def test_the_uses_of_terrains_share_no_seed() -> None:
    assert seeds.MAX_TRAINING_SEED < seeds.FINAL_SEED
    starts = [0, seeds.FINAL_SEED, seeds.EVALUATION_SEED, seeds.CONFIRMATION_SEED]
    assert all(after - before == seeds.ROOM for before, after in itertools.pairwise(starts))
    dataclasses.replace(DEFAULT, final_episodes=100_000).validate()  # has room
    assert seeds.ROOM >= 100_000
    dataclasses.replace(DEFAULT, num_envs=100_000, rollout_steps=64).validate()
    runs = [seeds.row_seeds(seed, 100_000) for seed in (0, 1, 2, seeds.MAX_TRAINING_SEED)]
    for run, after in itertools.pairwise(runs):
        assert run[-1] < after[0]
    assert runs[0][0] > seeds.CONFIRMATION_SEED + seeds.ROOM
    assert runs[-1][-1] < 2**63
    with pytest.raises(UserError):  # nor can one of them be asked for as a score's
        check_seed(runs[0][0])


# JSON --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_a_configuration_comes_back_from_json(name: str) -> None:
    text = json.dumps(config_to_json(PRESETS[name]), allow_nan=False)
    config = config_from_json(json.loads(text))
    assert config == PRESETS[name]
    assert isinstance(config.hidden_sizes, tuple)


@given(
    learning_rate=st.floats(1e-9, 1.0),
    hidden_sizes=st.lists(st.integers(1, 512), min_size=1, max_size=MAX_HIDDEN_LAYERS),
    seed=st.integers(0, 999_999),
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


GOLDEN = Path(__file__).parent / "golden" / "config-0.1.0.json"
"""config.json of a run of version 0.1.0: preset hardcore-careful, seed 1013."""


def golden_config() -> dict[str, Any]:
    config: dict[str, Any] = json.loads(GOLDEN.read_text())["config"]
    return config


def test_a_configuration_of_an_earlier_version_is_read() -> None:
    config = config_from_json(golden_config())
    start = "pretrained:hardcore"
    assert config == dataclasses.replace(PRESETS["hardcore-careful"], seed=1013, init_from=start)
    config.validate()


def test_a_retired_field_that_had_an_effect_is_refused() -> None:
    """The adaptive schedule, and with it `target_kl`, are gone."""
    adaptive = {**golden_config(), "learning_rate_schedule": "adaptive", "target_kl": 0.02}
    with pytest.raises(UserError, match="--learning-rate-schedule must be one of constant, linear"):
        config_from_json(adaptive).validate()


@pytest.mark.parametrize("field", sorted(set(FIELDS) - {"preset"}))
def test_a_field_that_an_earlier_version_did_not_have_is_what_it_was_then(field: str) -> None:
    """That is its default, but for those that came with another meaning of the default preset."""
    data = config_to_json(PRESETS["seed"])
    del data[field]
    then = {**RAW_REWARD, "restart_timesteps": 0}.get(field, getattr(DEFAULT, field))
    assert config_from_json(data) == dataclasses.replace(PRESETS["seed"], **{field: then})


def test_a_configuration_without_a_preset_is_refused() -> None:
    with pytest.raises(UserError, match="has no preset"):
        config_from_json({})


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
