"""Every hyperparameter: its meaning, its unit, its limits.

The first sentence of a field's docstring is its line in `bipedal train --help`.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from bipedal.errors import UserError
from bipedal.fields import (
    Limit,
    Metavar,
    Section,
    above,
    at_most,
    below,
    between,
    check_limits,
    flag,
    one_of,
)
from bipedal.physics.constants import FALL_REWARD
from bipedal.seeds import MAX_TRAINING_SEED
from bipedal.walker import ENV_IDS, HARDCORE_ID

MAX_WIDTH, MAX_HIDDEN_LAYERS = 4096, 14
MAX_FRAMES, MAX_SPAN = 64, 1024
"""Largest networks and memories; a model file that claims more is refused."""
MAX_WEIGHTS = 50_000_000
"""Largest number of weights between hidden layers that training starts with."""
MAX_OBSERVATIONS = 10_000_000
"""Most observations that a batch may hold, a few gigabytes of memory."""
MANY = 10**12
"""More timesteps or iterations than any run reaches."""


WIDTHS = Limit(
    f"one to {MAX_HIDDEN_LAYERS} widths from 1 to {MAX_WIDTH:,}",
    lambda sizes: (
        0 < len(sizes) <= MAX_HIDDEN_LAYERS and all(0 < size <= MAX_WIDTH for size in sizes)
    ),
)
Rate = Annotated[float, above(0), at_most(1)]
Discount = Annotated[float, above(0), below(1)]
Share = Annotated[float, between(0, 1)]
TorqueShare = Annotated[float, between(0, 0.99)]
StandardDeviation = Annotated[float, above(0), at_most(10)]


@dataclass(frozen=True)
class TrainConfig:
    """All that decides a training run, apart from the machine."""

    preset: str = "default"
    """Named defaults: default, gpu, record, hardcore, hardcore-careful, hardcore-polish,
    hardcore-finetune or seed."""
    env_id: Annotated[str, Metavar("ID"), one_of(ENV_IDS)] = "BipedalWalker-v3"
    """BipedalWalker-v3 or BipedalWalkerHardcore-v3."""
    total_timesteps: Annotated[int, between(1, MANY)] = 10_000_000
    """Timesteps of training, all environments together. Whole iterations, rounded up. A limit only
    where training stops when solved."""
    seed: Annotated[int, between(0, MAX_TRAINING_SEED)] = 0
    """Seed of weights, actions, shuffling and terrains. Higher seeds are kept for evaluations and
    scores (seeds.py): no terrain of training may be among theirs."""
    init_from: Annotated[str | None, Metavar("MODEL")] = None
    """Model to start from, with its statistics: a .safetensors or .pth file, a run directory or
    pretrained:NAME."""
    stop_when_solved: bool = True
    """Stop once the environment is solved. It is when the mean of a greedy evaluation, less two
    standard errors of a mean of 100, reaches the threshold, and so does that of 192 others; and
    when the robot does not kneel."""
    final_episodes: Annotated[int, between(0, 100_000)] = 100
    """Fresh episodes that score the best model at the end; 0 for none."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where networks and environments live. auto takes a GPU for 2048 environments or more."""

    engine: Annotated[Literal["warp", "gymnasium"], Section("Environments")] = "warp"
    """What steps the environments. The batched engine, or Gymnasium's own environments, which play
    the same episodes, need Box2D and take longer."""
    num_envs: Annotated[int, between(1, 100_000)] = 64
    """Environments stepped together."""
    reward_floor: Annotated[float, between(FALL_REWARD, 0)] = FALL_REWARD
    """Smallest reward that training sees. A fall's is -100; -10 makes falls cheap. Logged returns
    and scores stay raw."""
    torque_share: TorqueShare = 0.5
    """Share of what progress pays that torque takes in training, when it begins. The whole way pays
    the same whatever the speed, but a discounted return would rather have it soon. 0 leaves torque
    as it is. Scores do in any case."""
    final_torque_share: TorqueShare = 0.5
    """The same after `anneal_timesteps`. What is left for progress shrinks by equal factors in
    between."""
    posture_cost: Annotated[float, between(0, 10)] = 0.3
    """Taken off training's reward for each metre that the hull is below 2.2 m, per timestep. It
    keeps a robot off its knees."""
    endless_course: bool = False
    """Treat the far end of the course as a time limit. V of the observation there stands in for the
    rewards that would follow (Pardo et al. 2018). The policy does not see how far it has come, so
    its critic cannot foresee that the rewards end."""
    curriculum_share: Share = 0.0
    """Share of training in which obstacles grow with success. They grow in each environment by its
    own success; after that share of `total_timesteps` they are Gymnasium's. 0 for none. Needs
    BipedalWalkerHardcore-v3 on the warp engine."""

    replay_falls: Share = 0.0
    """Share of training's episodes that are played on a terrain on which the robot fell before. So
    falls do not become too rare to learn from, and training looks worse than a score. Needs the
    warp engine."""

    rollout_steps: Annotated[int, Section("PPO"), between(1, 100_000)] = 128
    """Timesteps that each environment adds to a rollout."""
    minibatch_size: Annotated[int, between(1, MAX_OBSERVATIONS)] = 2048
    """Samples in one gradient step."""
    epochs: Annotated[int, between(1, 1000)] = 6
    """Passes over each rollout."""
    gamma: Discount = 0.99
    """Discount factor γ per timestep when training begins."""
    final_gamma: Discount = 0.998
    """γ after `anneal_timesteps`. 1 − γ shrinks by equal factors in between."""
    gae_lambda: Share = 0.95
    """λ of generalised advantage estimation."""
    clip_range: Annotated[float, above(0), at_most(10)] = 0.2
    """ε of the clipped surrogate. How far the probability ratio may leave 1."""
    entropy_coefficient: Annotated[float, between(0, 10)] = 0.0
    """Weight of the policy's entropy in its objective, per nat."""

    policy_learning_rate: Annotated[Rate, Section("Learning rates")] = 9e-4
    """Adam's step size for the actor."""
    critic_learning_rate: Rate = 9e-4
    """Adam's step size for the critic."""
    learning_rate_schedule: Literal["constant", "linear"] = "linear"
    """Whether the learning rates fall over `anneal_timesteps`."""
    final_learning_rate_scale: Share = 0.02
    """Share of the learning rate that the linear schedule ends with."""
    anneal_timesteps: Annotated[int, between(1, MANY)] = 2_500_000
    """Timesteps over which rates, noise and γ are annealed."""
    restart_timesteps: Annotated[int, between(0, MANY)] = 1_200_000
    """Timesteps from one warm restart to the next; 0 for those of the annealing. Learning rates and
    standard deviation then start again from their first values, for a run that is not solved."""
    max_grad_norm: Annotated[float, above(0), at_most(1e6)] = 0.5
    """Largest norm of a gradient, for each network."""
    adam_epsilon: Rate = 1e-5
    """Adam's ε."""

    hidden_sizes: Annotated[tuple[int, ...], Section("Networks"), WIDTHS] = (64, 64)
    """Widths of the hidden layers of actor and critic."""
    activation: Literal["relu", "tanh"] = "relu"
    """Nonlinearity of the hidden layers."""
    layer_norm: bool = True
    """LayerNorm before each activation."""
    frames: Annotated[int, between(1, MAX_FRAMES)] = 1
    """Observations shown at once, the latest and earlier ones. A model to start from keeps its own
    number, stride and layer sizes."""
    frame_stride: Annotated[int, between(1, MAX_SPAN)] = 1
    """Timesteps from one shown observation to the one before."""

    initial_log_std: Annotated[float, Section("Exploration"), between(-30, 3)] = -0.5
    """Logarithm of the initial standard deviation of actions. A model to start from brings its
    own."""
    std_min: StandardDeviation = 1e-3
    """Smallest standard deviation of an action."""
    std_max: StandardDeviation = 0.61
    """Largest standard deviation when training begins."""
    final_std_max: StandardDeviation = 0.1
    """Largest standard deviation after `anneal_timesteps`. Geometric in between: the greedy policy
    becomes what is trained."""
    restart_std_max: StandardDeviation = 0.61
    """Largest standard deviation after a warm restart."""

    evaluation_interval: Annotated[int, Section("Evaluation and saving"), between(0, MANY)] = 12
    """Iterations between greedy evaluations; 0 for none."""
    evaluation_episodes: Annotated[int, between(1, 10_000)] = 32
    """Episodes of each evaluation. With `best_by` "evaluation", for each of the three gains of the
    greedy policy that are tried; with little noise only one is, and plays them all."""
    evaluation_min_return: Annotated[float, between(-1e9, 1e9)] = 150.0
    """Mean training return from which evaluations take place."""
    best_by: Literal["training", "evaluation"] = "evaluation"
    """Which episodes decide on the best model."""
    best_window: Annotated[int, between(1, 100_000)] = 50
    """Training episodes in the mean return. It is what `best_by` "training" compares, and what is
    logged and shown in any case."""
    checkpoint_interval: Annotated[int, between(1, MANY)] = 100
    """Iterations between numbered checkpoints."""
    video_interval: Annotated[int, between(0, MANY)] = 0
    """Iterations between videos of the greedy policy; 0 for none."""

    @property
    def batch_size(self) -> int:
        """Samples of one iteration."""
        return self.num_envs * self.rollout_steps

    @property
    def iterations(self) -> int:
        """Iterations of the whole run."""
        return -(-self.total_timesteps // self.batch_size)

    def validate(self) -> None:
        """Raise `UserError` with one sentence if a value makes no sense."""
        check_limits(self)
        _check_batch(self)
        _check_networks(self)
        _check_standard_deviations(self)
        _check_selection(self)
        _check_curriculum(self)


def _check_batch(config: TrainConfig) -> None:
    """Minibatches fit in the batch, and the batch in memory."""
    batch = (
        f"the batch of {config.num_envs:,} environments x {config.rollout_steps:,} steps = "
        f"{config.batch_size:,}"
    )
    if config.batch_size * config.frames > MAX_OBSERVATIONS:
        raise UserError(
            f"--num-envs, --rollout-steps and --frames ask for too much memory: {batch} samples of "
            f"{config.frames} observations is more than {MAX_OBSERVATIONS:,} observations"
        )
    if config.minibatch_size > config.batch_size:
        raise UserError(f"--minibatch-size {config.minibatch_size:,} is larger than {batch}")


def _check_networks(config: TrainConfig) -> None:
    """The memory reaches back no further than a model file may, and the layers are not huge."""
    if (config.frames - 1) * config.frame_stride + 1 > MAX_SPAN:
        raise UserError(
            f"--frames {config.frames} at a --frame-stride of {config.frame_stride} reach back "
            f"further than {MAX_SPAN:,} timesteps"
        )
    weights = sum(before * after for before, after in itertools.pairwise(config.hidden_sizes))
    if weights > MAX_WEIGHTS:
        raise UserError(
            f"--hidden-sizes ask for {weights:,} weights: choose layers with at most "
            f"{MAX_WEIGHTS:,} between them"
        )


def _check_standard_deviations(config: TrainConfig) -> None:
    """`std_min` is at most every upper bound, and the initial deviation lies within the bounds."""
    for name in ("std_max", "final_std_max", "restart_std_max"):
        if getattr(config, name) < config.std_min:
            raise UserError(
                f"{flag(name)} {getattr(config, name)} is below --std-min {config.std_min}"
            )
    inside = math.log(config.std_min) <= config.initial_log_std <= math.log(config.std_max)
    if config.init_from is None and not inside:
        raise UserError(
            f"--initial-log-std {config.initial_log_std} is outside the logarithms of "
            f"--std-min {config.std_min} and --std-max {config.std_max}"
        )


def _check_selection(config: TrainConfig) -> None:
    """What decides on the best model takes place."""
    if config.best_by == "evaluation" and config.evaluation_interval == 0:
        raise UserError("--best-by evaluation needs an --evaluation-interval above 0")


def _check_curriculum(config: TrainConfig) -> None:
    """Terrains can be chosen, and there is a fair measure of success."""
    if config.replay_falls:
        if config.engine != "warp":
            raise UserError("--replay-falls needs --engine warp")
        if config.best_by == "training":
            raise UserError(
                "--replay-falls needs --best-by evaluation: its terrains are harder than a score's"
            )
    if not config.curriculum_share:
        return
    if (config.engine, config.env_id) != ("warp", HARDCORE_ID):
        raise UserError(f"--curriculum-share needs --engine warp and --env-id {HARDCORE_ID}")
    if config.best_by == "training":
        raise UserError(
            "--curriculum-share needs --best-by evaluation: easy terrain flatters training"
        )


RETIRED_FIELDS = ("target_kl",)
"""Fields of earlier versions that had no effect with any value that other fields can still have.

`target_kl` was read with `learning_rate_schedule` "adaptive" alone.
"""


RAW_REWARD: Mapping[str, Any] = {
    "torque_share": 0.0,
    "final_torque_share": 0.0,
    "posture_cost": 0.0,
}
"""Fields with which training sees torque and posture as a score does."""
_BEFORE: Mapping[str, Any] = {**RAW_REWARD, "restart_timesteps": 0}
"""What versions did that did not have these fields."""


def config_to_json(config: TrainConfig) -> dict[str, Any]:
    """Make plain types of a configuration."""
    return {**dataclasses.asdict(config), "hidden_sizes": list(config.hidden_sizes)}


def config_from_json(data: Mapping[str, Any]) -> TrainConfig:
    """Undo `config_to_json`, of this version or an earlier one.

    Fields that an earlier version did not have take their defaults, or what was done then
    (`_BEFORE`). Raises `UserError` if a field is unknown or of another type, or if there is no
    `preset`, which every version writes.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(TrainConfig)}
    written = {name: value for name, value in data.items() if name not in RETIRED_FIELDS}
    known = {**_BEFORE, **written}
    unknown = sorted(set(known) - set(defaults))
    if unknown:
        raise UserError(
            f"this configuration is of another version of bipedal (fields: {', '.join(unknown)})"
        )
    if "preset" not in written:
        raise UserError("this configuration is damaged: it has no preset")
    if "hidden_sizes" in known:
        known["hidden_sizes"] = _to_tuple(known["hidden_sizes"])
    for name, value in known.items():
        default = defaults[name]
        kinds = {type(None): (str, type(None)), float: (float, int)}.get(
            type(default), (type(default),)
        )
        if type(value) not in kinds:
            raise UserError(f"this configuration is damaged: {flag(name)} is {value!r}")
    return TrainConfig(**known)


def _to_tuple(value: object) -> object:
    """Make a tuple of a list of integers; anything else stays what it is."""
    if isinstance(value, list) and all(type(part) is int for part in value):
        return tuple(value)
    return value
