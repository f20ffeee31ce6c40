"""Every hyperparameter: its meaning, its unit, its source."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

from bipedal.errors import UserError
from bipedal.walker import ENV_IDS, HARDCORE_ID

MAX_WIDTH, MAX_HIDDEN_LAYERS = 4096, 14
MAX_FRAMES, MAX_SPAN = 64, 1024
"""Of a network and its memory: a model file that claims more is refused."""
MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class TrainConfig:
    """All that decides a training run, apart from the machine."""

    preset: str = "default"
    """Name of the preset that the other values start from."""
    env_id: str = "BipedalWalker-v3"
    """Gymnasium environment: BipedalWalker-v3 or BipedalWalkerHardcore-v3."""
    engine: Literal["warp", "gymnasium"] = "warp"
    """What steps the environments while training: the batched engine, or Gymnasium's own
    environments. Scores are always Gymnasium's."""
    total_timesteps: int = 10_000_000
    """Environment steps to train for, all environments together; whole iterations, rounded up. A
    limit only where training stops when solved."""
    seed: int = 0
    """Decides initial weights, sampled actions, shuffling and terrains."""
    init_from: str | None = None
    """Policy to start from (.pth, run directory or pretrained:NAME): weights and statistics."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the networks live; auto takes a GPU if there is one."""

    num_envs: int = 64
    """Environments stepped together."""
    rollout_steps: int = 128
    """Timesteps a rollout takes from each environment."""
    minibatch_size: int = 2048
    """Samples in one gradient step."""
    epochs: int = 10
    """Passes over each rollout."""
    policy_learning_rate: float = 7e-4
    """Adam step size of the actor."""
    critic_learning_rate: float = 7e-4
    """Adam step size of the critic."""
    learning_rate_schedule: Literal["constant", "linear", "adaptive"] = "linear"
    """constant; linear: annealed over `anneal_timesteps`; adaptive: kept near target_kl."""
    final_learning_rate_scale: float = 0.02
    """What the linear schedule leaves of the learning rate."""
    anneal_timesteps: int = 2_500_000
    """Environment steps over which learning rate, standard deviation and γ are annealed. Then the
    first two begin again: a warm restart, for a run that is not solved by then."""
    target_kl: float = 0.01
    """Change of policy per iteration, in nats, that the adaptive schedule aims at."""
    gamma: float = 0.99
    """Discount factor γ per timestep when training begins."""
    final_gamma: float = 0.998
    """The same after `anneal_timesteps`; 1 − γ shrinks by equal factors in between."""
    gae_lambda: float = 0.95
    """λ of generalised advantage estimation."""
    clip_range: float = 0.2
    """ε of the clipped surrogate: how far the probability ratio may leave 1."""
    entropy_coefficient: float = 0.0
    """Weight of the policy's entropy (nats) in its objective."""
    max_grad_norm: float = 0.5
    """Largest global norm of a gradient, for each network."""
    adam_epsilon: float = 1e-5
    """Adam's ε."""
    reward_floor: float = -100.0
    """Smallest raw reward that training is told of: a fall's is -100, and -10 softens it. Returns
    that are logged, and scores, stay raw."""
    endless_course: bool = False
    """Whether training is told that the course goes on behind its far end: V of the observation
    there stands in for the future, as at a time limit (Pardo et al. 2018). The policy does not see
    how far it has come, so to its critic an end of rewards is a shock that nothing announces."""
    curriculum_share: float = 0.0
    """Share of `total_timesteps` during which each environment's obstacles grow with its success;
    after it they are Gymnasium's. 0 for none; BipedalWalkerHardcore-v3 on the warp engine only."""

    frames: int = 1
    """Observations that the networks are shown at once, the latest and earlier ones; a model to
    start from keeps its own number, stride and sizes."""
    frame_stride: int = 1
    """Timesteps from one of those observations to the one before."""
    hidden_sizes: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers, the same for actor and critic."""
    activation: Literal["relu", "tanh"] = "relu"
    """Nonlinearity of the hidden layers."""
    layer_norm: bool = True
    """LayerNorm before each activation."""
    initial_log_std: float = -0.5
    """Logarithm of the initial standard deviation of every action; a model to start from brings
    its own."""
    std_min: float = 1e-3
    """Smallest standard deviation of an action."""
    std_max: float = 0.61
    """Largest standard deviation of an action when training begins."""
    final_std_max: float = 0.1
    """The same after `anneal_timesteps`, geometric in between: the greedy policy becomes what is
    trained."""
    restart_std_max: float = 0.61
    """The same when the annealing begins again."""

    checkpoint_interval: int = 100
    """Iterations between numbered checkpoints."""
    evaluation_interval: int = 12
    """Iterations between greedy evaluations, with gait analysis in Gymnasium; 0 for none."""
    evaluation_episodes: int = 32
    """Episodes of each of those evaluations (for each gain of the greedy policy to try)."""
    evaluation_min_return: float = 150.0
    """Evaluations wait until the last training episodes have this mean return."""
    video_interval: int = 0
    """Iterations between videos of the greedy policy; 0 for none."""
    best_by: Literal["training", "evaluation"] = "evaluation"
    """What decides which model is the best: the last training episodes, or greedy evaluations."""
    best_window: int = 50
    """Number of those last training episodes; their mean return is logged in any case."""
    stop_when_solved: bool = True
    """Whether to stop once the environment is solved: a greedy evaluation reaches the threshold,
    and so does the mean of 384 more episodes, less two standard errors of a mean of 100."""
    final_episodes: int = 100
    """Fresh episodes that score the best model when training ends; 0 for none."""

    @property
    def batch_size(self) -> int:
        """Samples of one iteration."""
        return self.num_envs * self.rollout_steps

    @property
    def iterations(self) -> int:
        """Iterations of the whole run."""
        return math.ceil(self.total_timesteps / self.batch_size)

    def validate(self) -> None:
        """Raise `UserError` with one sentence if a value makes no sense."""
        known: Mapping[str, tuple[str, ...]] = {
            "env_id": ENV_IDS,
            **{
                name: _choices(name)
                for name in ("engine", "device", "learning_rate_schedule", "activation", "best_by")
            },
        }
        for name, choices in known.items():
            if getattr(self, name) not in choices:
                raise UserError(
                    f"unknown {_flag(name)} {getattr(self, name)!r}: "
                    f"choose one of {', '.join(choices)}"
                )
        for field in (
            "total_timesteps", "num_envs", "rollout_steps", "minibatch_size", "epochs",
            "policy_learning_rate", "critic_learning_rate", "target_kl", "gamma", "final_gamma",
            "clip_range", "anneal_timesteps", "max_grad_norm", "adam_epsilon", "std_min", "std_max",
            "final_std_max", "restart_std_max", "checkpoint_interval", "evaluation_episodes",
            "best_window", "frames", "frame_stride",
        ):  # fmt: skip
            if not 0 < getattr(self, field) < math.inf:
                raise UserError(f"{_flag(field)} must be above 0, not {getattr(self, field)}")
        for field in (
            "seed", "gae_lambda", "entropy_coefficient", "final_learning_rate_scale",
            "evaluation_interval", "video_interval", "final_episodes",
        ):  # fmt: skip
            if not 0 <= getattr(self, field) < math.inf:
                raise UserError(f"{_flag(field)} must be 0 or more, not {getattr(self, field)}")
        if self.seed > MAX_SEED:
            raise UserError(f"--seed must be at most {MAX_SEED}, not {self.seed}")
        for field in ("gamma", "final_gamma", "gae_lambda"):
            if getattr(self, field) > 1:
                raise UserError(f"{_flag(field)} must be at most 1, not {getattr(self, field)}")
        if self.best_by == "evaluation" and self.evaluation_interval == 0:
            raise UserError("--best-by evaluation needs an --evaluation-interval above 0")
        if not self.reward_floor <= 0:
            raise UserError(f"--reward-floor must be 0 or less, not {self.reward_floor}")
        if not 0 <= self.curriculum_share <= 1:
            raise UserError(f"--curriculum-share must be from 0 to 1, not {self.curriculum_share}")
        if self.curriculum_share and (self.engine, self.env_id) != ("warp", HARDCORE_ID):
            raise UserError(f"--curriculum-share needs --engine warp and --env-id {HARDCORE_ID}")
        if self.curriculum_share and self.best_by == "training":
            raise UserError(
                "--curriculum-share needs --best-by evaluation: easy terrain flatters training"
            )
        if self.frames > MAX_FRAMES:
            raise UserError(f"--frames must be at most {MAX_FRAMES}, not {self.frames}")
        span = (self.frames - 1) * self.frame_stride + 1
        if max(self.frame_stride, span) > MAX_SPAN:
            raise UserError(
                f"--frames {self.frames} at a --frame-stride of {self.frame_stride} reach back "
                f"further than {MAX_SPAN} timesteps"
            )
        if self.minibatch_size > self.batch_size:
            raise UserError(
                f"--minibatch-size {self.minibatch_size} is larger than the batch of "
                f"{self.num_envs} environments x {self.rollout_steps} steps = {self.batch_size}"
            )
        if not 0 < len(self.hidden_sizes) <= MAX_HIDDEN_LAYERS or not all(
            0 < size <= MAX_WIDTH for size in self.hidden_sizes
        ):
            raise UserError(
                f"--hidden-sizes must be one to {MAX_HIDDEN_LAYERS} widths from 1 to {MAX_WIDTH}"
            )
        if self.final_std_max < self.std_min:
            raise UserError(
                f"--final-std-max {self.final_std_max} is below --std-min {self.std_min}"
            )
        inside = math.log(self.std_min) <= self.initial_log_std <= math.log(self.std_max)
        if self.init_from is None and not inside:
            raise UserError(
                f"--initial-log-std {self.initial_log_std} is outside the logarithms of "
                f"--std-min {self.std_min} and --std-max {self.std_max}"
            )


def _choices(field: str) -> tuple[str, ...]:
    """Values that a field with a Literal type may have."""
    choices: tuple[str, ...] = get_args(get_type_hints(TrainConfig)[field])
    return choices


def _flag(field: str) -> str:
    return "--" + field.replace("_", "-")


def config_to_json(config: TrainConfig) -> dict[str, Any]:
    """Make plain types of a configuration."""
    return {**dataclasses.asdict(config), "hidden_sizes": list(config.hidden_sizes)}


def config_from_json(data: Mapping[str, Any]) -> TrainConfig:
    """Undo `config_to_json`; UserError if a field is unknown, missing or of another type."""
    fields = {field.name: field.default for field in dataclasses.fields(TrainConfig)}
    if set(data) != set(fields):
        odd = ", ".join(sorted(set(data) ^ set(fields)))
        raise UserError(f"this configuration is of another version of bipedal (fields: {odd})")
    data = {**data, "hidden_sizes": _to_tuple(data["hidden_sizes"])}
    for name, default in fields.items():
        kinds = {type(None): (str, type(None)), float: (float, int)}.get(
            type(default), (type(default),)
        )
        if type(data[name]) not in kinds:
            raise UserError(f"this configuration is damaged: {_flag(name)} is {data[name]!r}")
    return TrainConfig(**data)


def _to_tuple(value: object) -> object:
    """Make a tuple of a list of integers; anything else stays what it is."""
    if isinstance(value, list) and all(type(part) is int for part in value):
        return tuple(value)
    return value
