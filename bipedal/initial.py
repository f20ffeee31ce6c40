"""The policy that a run begins with: new networks, or a model that it goes on from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from bipedal.checkpoint import load_model, save_model
from bipedal.config import TrainConfig
from bipedal.errors import UserError
from bipedal.history import FrameStack
from bipedal.networks import Actor, Critic
from bipedal.normalizer import ObservationNormalizer
from bipedal.policy import Policy
from bipedal.walker import ACTION_DIM, OBSERVATION_DIM


def new_policy(config: TrainConfig) -> Policy:
    """Make new networks, initialised by the configuration's seed, and empty statistics."""
    generator = torch.Generator().manual_seed(config.seed)
    network_input_dim = config.frames * OBSERVATION_DIM
    actor = Actor(
        network_input_dim,
        ACTION_DIM,
        hidden_sizes=config.hidden_sizes,
        activation=config.activation,
        layer_norm=config.layer_norm,
        initial_log_std=config.initial_log_std,
        std_min=config.std_min,
        std_max=config.std_max,
        generator=generator,
    )
    critic = Critic(
        network_input_dim,
        hidden_sizes=config.hidden_sizes,
        activation=config.activation,
        layer_norm=config.layer_norm,
        generator=generator,
    )
    frame_stack = FrameStack(config.frames, config.frame_stride)
    return Policy(actor, critic, ObservationNormalizer((OBSERVATION_DIM,)), frame_stack)


def initial_policy(config: TrainConfig, models_dir: Path) -> Policy:
    """Make a new policy, or take the one of `init_from` with its statistics and sizes.

    The run keeps a copy of the latter as its `checkpoint_0`: it can go on without the original.
    Raises `UserError` if the model is not sound, or its copy cannot be written.
    """
    if config.init_from is None:
        return new_policy(config)
    start = models_dir / "checkpoint_0.pth"
    policy = load_model(start if start.exists() else config.init_from)
    if not start.exists():
        try:
            save_model(start, policy)
        except OSError as error:
            raise UserError(f"cannot write {start}: {error.strerror}") from None
    policy.actor.std_bounds = (config.std_min, config.std_max)
    policy.actor.project_log_std()
    return policy


def with_real_sizes(config: TrainConfig) -> TrainConfig:
    """Write the sizes of the model to start from into the configuration of the run."""
    if config.init_from is None:
        return config
    policy = load_model(config.init_from)
    return replace(
        config,
        frames=policy.frame_stack.frames,
        frame_stride=policy.frame_stack.stride,
        hidden_sizes=policy.actor.hidden_sizes,
        activation=policy.actor.activation,
        layer_norm=policy.actor.layer_norm,
    )
