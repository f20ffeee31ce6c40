"""Named configurations, each with the reasons for its numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from bipedal.config import RAW_REWARD, TrainConfig
from bipedal.errors import UserError
from bipedal.walker import HARDCORE_ID

SEED = TrainConfig(
    preset="seed",
    **RAW_REWARD,
    total_timesteps=1_500 * 2_048,
    seed=9,
    num_envs=1,
    rollout_steps=2_048,
    minibatch_size=64,
    epochs=10,
    policy_learning_rate=3e-4,
    critic_learning_rate=4e-4,
    learning_rate_schedule="constant",
    restart_timesteps=0,
    gamma=0.99,
    final_gamma=0.99,
    gae_lambda=0.95,
    clip_range=0.2,
    entropy_coefficient=0.001,
    max_grad_norm=0.5,
    adam_epsilon=1e-8,
    hidden_sizes=(256, 256),
    activation="relu",
    layer_norm=True,
    initial_log_std=0.0,
    std_min=1e-3,
    std_max=1.0,
    final_std_max=1.0,
    restart_std_max=1.0,
    checkpoint_interval=100,
    evaluation_interval=50,
    evaluation_episodes=3,
    evaluation_min_return=-1e9,
    video_interval=50,
    best_by="training",
    best_window=50,
    stop_when_solved=False,
)
"""The notebook that this project grew from, with all of its numbers, in one environment.

1,500 iterations of 2,048 timesteps, minibatches of 64, 10 epochs, Adam at 3e-4 (policy) and 4e-4
(critic) with PyTorch's ε, 256-256 ReLU with LayerNorm, a standard deviation within [1e-3, 1] that
begins at 1, seed 9, a checkpoint every 100 iterations, a video every 50, the best model by the mean
of the last 50 episodes.

Where the notebook was plainly wrong, this does it right. A time limit is not a termination: the
value of the final observation is bootstrapped. The end of a rollout is bootstrapped with V instead
of 0. Videos are recorded with the training statistics instead of fresh ones. One more difference:
`log_std` is moved back into its range after a step, because a clamped one gets no gradient.
"""

DEFAULT = TrainConfig()
"""The walker for a laptop: it stops when the walker is solved, most often within a minute.

Where its values come from (tuned on seeds 0 to 6, the warm restart on others too, docs/learner.md):

* 64 environments x 128 timesteps, 6 epochs, two separate 64-64 ReLU networks with LayerNorm and an
  initial log-std of -0.5. These reached 300 where wider, tanh or noisier variants stopped short or
  learned to stand still.
* Minibatches of 2048 at 9e-4. Ten epochs at 7e-4 took as many timesteps in the median of 17 tuning
  seeds, and a quarter more time for each. The rate falls slowly, over 2.5M timesteps, to almost
  nothing: what separates 280 from 310 is a fall in one episode of twenty, which is little to learn
  from. Annealed over 1.5M to a tenth, some seeds needed a second or third restart.
* λ 0.95 and ε 0.2 are from Schulman et al. 2017, table 3. Adam's ε of 1e-5, the gradient norm of
  0.5 and the orthogonal initialisation are from OpenAI's baselines; Engstrom et al. 2020 and
  Andrychowicz et al. 2021 examine them.
* No entropy bonus: the initial standard deviation explores enough, and the bonus would keep it from
  shrinking.
* γ grows from 0.99 to 0.998 (an increasing discount factor: François-Lavet et al. 2015). Reward is
  paid by the metre, so with a low γ the robot runs, at four to five metres a second, and falls in
  one episode of ten. At 0.99 throughout two of seven tuning seeds stayed there; at 0.997 from the
  start none of four was done in time.
* The largest standard deviation falls from 0.61, its initial value, to 0.1. Without this the policy
  learned to rely on its own noise, and its mean, which is what the greedy policy plays, fell over.
* Warm restarts: if the walker is not solved after 1.2M timesteps, learning rates and noise begin
  again, long before they are annealed. Robots that learn with much less noise than 0.3 get a gait
  that falls. Seed 1107 fell in 29 % of its episodes with noise of 0.1, after 2.5M timesteps, and
  not at all 0.4M timesteps after the restart. Without any annealing seeds 0 and 1 took twice as
  long.
* In training torque takes half of what progress pays, and 0.3 is taken off for each metre that the
  hull is below 2.2 m. Without them a robot learns to lunge on one shin. With the posture cost alone
  it walks upright, but with motors that are either on or off. With a fixed six times the cost of
  torque a robot of the tuning seeds crept: it is too much for a beginner.
* Greedy evaluations choose the best model and the gain of the greedy policy
  (evaluation/selection.py), and decide when to stop.
"""

GPU = dataclasses.replace(
    DEFAULT,
    preset="gpu",
    total_timesteps=100_000_000,
    num_envs=8192,
    rollout_steps=8,
    minibatch_size=8192,
    epochs=6,
    policy_learning_rate=1e-3,
    critic_learning_rate=1e-3,
    anneal_timesteps=10_000_000,
    restart_timesteps=0,
    evaluation_interval=30,
    evaluation_min_return=-60.0,
)
"""The walker on a GPU: a rollout of few steps, because a step takes nearly as long for a thousand
robots as for eight thousand.

Of eight sizes this one led on an H200: tuning seeds 0 and 1 after 9.4 s at a mean return of 290 in
training (docs/gpu.md). That mean lags far behind. An episode takes a thousand steps, so what ended
by the hundredth rollout are mostly falls, while the greedy policy is at 300 already. So evaluations
begin when falls are no longer all there is, and an evaluation takes as long as fifty iterations.
"""

HARDCORE_FINETUNE = dataclasses.replace(
    DEFAULT,
    preset="hardcore-finetune",
    **RAW_REWARD,
    env_id=HARDCORE_ID,
    total_timesteps=5_000_000,
    epochs=10,
    policy_learning_rate=1e-5,
    critic_learning_rate=1e-5,
    learning_rate_schedule="constant",
    restart_timesteps=0,
    final_gamma=DEFAULT.gamma,
    entropy_coefficient=0.01,
    std_max=1.0,
    final_std_max=1.0,
    restart_std_max=1.0,
    evaluation_min_return=-1e9,
)
"""The notebook's plan for Hardcore: start from a walker's weights *and its statistics*, then take
small steps.

The learning rate is 1e-5 and the entropy coefficient ten times the notebook's; the rest is as in
`default`. The layer sizes are those of the model it starts from.
"""

HARDCORE = dataclasses.replace(
    DEFAULT,
    preset="hardcore",
    **RAW_REWARD,
    env_id=HARDCORE_ID,
    total_timesteps=30_000_000,
    num_envs=128,
    minibatch_size=4096,
    epochs=6,
    policy_learning_rate=5e-4,
    critic_learning_rate=5e-4,
    learning_rate_schedule="constant",
    restart_timesteps=0,
    final_gamma=DEFAULT.gamma,
    reward_floor=-10.0,
    endless_course=True,
    std_min=0.6,
    final_std_max=DEFAULT.std_max,
    checkpoint_interval=300,
    evaluation_interval=120,
    evaluation_episodes=128,
    evaluation_min_return=-1e9,
)
"""Hardcore from scratch: a bold robot, kept noisy. Caution comes with `hardcore-careful`.

* The standard deviation stays at 0.6. Left free, it falls below 0.2 within 10M timesteps, and the
  slow gait learned by then, a step over one obstacle after another, no longer changes. The greedy
  policy is far steadier than the noisy one that is trained: 180 where training episodes return 10.
* A fall costs 10 instead of 100 and the discount factor looks two seconds ahead, so running into
  the unknown pays.
* The batch is twice that of `default`: there is more to tell apart.
* Falls go on to become rarer for 30M timesteps: with tuning seed 0 the greedy policy fell in 17 to
  33 % of its episodes after 12M to 18M, and in 9 to 15 % after 27M to 30M.
* The networks are as small as the walker's. Ha 2017, "Evolving stable strategies", found walkers
  for this environment with two layers of 40.
"""

RECORD = dataclasses.replace(
    DEFAULT,
    preset="record",
    total_timesteps=30_000_000,
    stop_when_solved=False,
    num_envs=128,
    minibatch_size=4096,
    epochs=8,
    policy_learning_rate=7e-4,
    critic_learning_rate=7e-4,
    anneal_timesteps=15_000_000,
    restart_timesteps=0,
    final_torque_share=0.92,
    posture_cost=0.4,
    replay_falls=0.3,
    std_min=0.06,
    final_std_max=0.06,
    restart_std_max=0.1,
    evaluation_interval=100,
    evaluation_episodes=128,
)
"""The best walker: far beyond solved, in one run from scratch.

A solved robot spends about 40 of the 364 that the whole way pays on torque. To get to 18, what is
left for progress shrinks to a twelfth of what it pays, and the noise to 0.06, all over 15M
timesteps: a few per cent of a timestep's reward is something a policy can only notice when little
else varies. With less noise than that, robots of the tuning seeds became slow and fell over bumps
that they had run over before. Falls end one episode in a hundred by then, so their terrains are
played again. A warm restart with little noise then takes another 15M timesteps: tuning seed 0 went
from 346 to 348 in it.
"""

HARDCORE_CAREFUL = dataclasses.replace(
    HARDCORE,
    preset="hardcore-careful",
    total_timesteps=20_000_000,
    num_envs=256,
    epochs=5,
    policy_learning_rate=4e-4,
    critic_learning_rate=4e-4,
    gamma=0.999,
    final_gamma=0.999,
    reward_floor=DEFAULT.reward_floor,
    std_min=0.4,
    std_max=0.4,
    final_std_max=0.4,
    restart_std_max=0.4,
    evaluation_interval=90,
    evaluation_episodes=256,
    stop_when_solved=False,
)
"""For a bold robot that falls in every third episode: caution, learned with much noise.

A fall costs its full 100, and the discount factor looks twenty seconds ahead. That is about eighty
metres, almost the whole course, so it matters that the far end does not surprise the critic. The
standard deviation stays at 0.4 and the learning rate stays constant. With both annealed from the
start, a robot of the tuning seeds ended with twice as many falls (docs/hardcore.md, trial AL).
"""

HARDCORE_POLISH = dataclasses.replace(
    HARDCORE_CAREFUL,
    preset="hardcore-polish",
    total_timesteps=25_000_000,
    learning_rate_schedule="linear",
    anneal_timesteps=25_000_000,
    torque_share=0.6,
    final_torque_share=0.6,
    std_min=0.1,
    final_std_max=0.12,
    evaluation_interval=150,
    evaluation_episodes=512,
)
"""For a careful robot: the same distance with less torque, while noise and learning rate fall.

Torque takes 60 % of what progress pays. Where it did not, robots paid 45 for torque and stopped at
300 to 311.
"""

_ALL = (
    DEFAULT, GPU, RECORD, HARDCORE, HARDCORE_CAREFUL, HARDCORE_POLISH, HARDCORE_FINETUNE, SEED,
)  # fmt: skip
PRESETS: Mapping[str, TrainConfig] = MappingProxyType({config.preset: config for config in _ALL})

STARTS: Mapping[str, str] = MappingProxyType(
    {
        "hardcore-careful": "a run of preset hardcore, or pretrained:hardcore",
        "hardcore-polish": "a run of preset hardcore-careful, or pretrained:hardcore",
        "hardcore-finetune": "a run of preset default, or pretrained:walker",
    }
)
"""What the presets that continue from a model can start from."""

NEXT_PRESETS: Mapping[str, str] = MappingProxyType(
    {
        "hardcore": "hardcore-careful",
        "hardcore-careful": "hardcore-polish",
    }
)
"""Presets that continue from the best model of another preset's run."""


def get_preset(name: str) -> TrainConfig:
    """Look a preset up; UserError with the known names if there is none."""
    if name not in PRESETS:
        raise UserError(f"unknown preset {name!r}: choose one of {', '.join(PRESETS)}")
    return PRESETS[name]


def check_start(config: TrainConfig) -> None:
    """Raise `UserError` if the preset continues from a model and the configuration names none."""
    if config.preset in STARTS and config.init_from is None:
        raise UserError(
            f"preset {config.preset} continues from a model: give --init-from, for example "
            f"{STARTS[config.preset]}"
        )


def next_preset(config: TrainConfig) -> str | None:
    """Name of the preset that continues from a run with this configuration, if there is one."""
    name = NEXT_PRESETS.get(config.preset)
    return name if name and PRESETS[name].env_id == config.env_id else None
