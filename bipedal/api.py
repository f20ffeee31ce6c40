"""The public functions of the package: what the command line does, for programs.

They raise Python's own errors: `ValueError` for a wrong argument or an unsound file,
`FileNotFoundError` for a missing one, `TypeError` for an argument of the wrong kind, and
`RuntimeError` for a job that cannot go on. Heavy imports stand inside the functions.
"""

from __future__ import annotations

import dataclasses
import errno
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from bipedal.errors import RunFailedError, UserError

if TYPE_CHECKING:
    import gymnasium

    from bipedal.config import TrainConfig
    from bipedal.evaluation.episode import Player
    from bipedal.evaluation.gait import Gait
    from bipedal.evaluation.score import Evaluation
    from bipedal.loading.load import LoadedPolicy
    from bipedal.policy import Statistics
    from bipedal.report.video import RecordedEpisode
    from bipedal.trainer import Progress
    from bipedal.training_loop import Outcome

P = ParamSpec("P")
T = TypeVar("T")


def _with_pythons_errors(function: Callable[P, T]) -> Callable[P, T]:
    """Make a function raise Python's own errors instead of those of the command line."""

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except UserError as error:
            raise ValueError(str(error)) from None
        except RunFailedError as error:
            raise RuntimeError(str(error)) from None

    return called


@_with_pythons_errors
def load_model(model: str | Path) -> LoadedPolicy:
    """Read a policy, to play, score or film it. Nothing in its files is run.

    Args:
        model: A `.pth` file with its `_stats.pkl` beside it, a run directory (its best model is
            taken), or `"pretrained:walker"`, `"pretrained:record"` or `"pretrained:hardcore"`.
            Also what `bipedal export` writes (`.onnx`) and the files of Stable-Baselines3
            (`.zip`), CleanRL (`.cleanrl_model`) and Evolving Stable Strategies (`.json`).

    Returns:
        A `Policy`, or for `.onnx` and the files of others a `ForeignPolicy`, which has the same
        `act`, `act_batch` and `env_id`.

    Raises:
        FileNotFoundError: There is no such file or directory.
        ValueError: There is no pretrained model of this name, or the files hold no sound policy
            with its own statistics.
    """
    from bipedal.loading.load import load_policy

    text = str(model)
    if not text.startswith("pretrained:") and not os.path.exists(text):
        raise FileNotFoundError(errno.ENOENT, "there is no such model", text)
    return load_policy(model)


@_with_pythons_errors
def evaluate(
    policy: Player,
    env_id: str | None = None,
    *,
    episodes: int = 100,
    seed: int = 0,
    statistics: Statistics = "saved",
) -> Evaluation:
    """Score a policy: greedy actions, frozen statistics, raw reward.

    Episode i is that of `reset(seed=seed + i)` of a fresh environment. All of them are played side
    by side on the batched engine, with the bits of Gymnasium's own environment.

    Args:
        policy: What `load_model` reads, or any function from one raw observation, float32 (24,),
            to one action (4,).
        env_id: `"BipedalWalker-v3"` or `"BipedalWalkerHardcore-v3"`; by default where the policy
            was trained, and `"BipedalWalker-v3"` for a function.
        episodes: Number of episodes.
        seed: Seed of the first one, from 0 to 2^31 - 1.
        statistics: What a policy normalises observations with: `"saved"` with it, `"none"`, or
            `"fresh"` ones estimated in each episode.

    Returns:
        An `Evaluation` with `mean_return`, `returns` (episodes,) float64, `gait()`, and
        `to_json()`, which gives what `bipedal evaluate --json` prints.

    Raises:
        TypeError: `policy` is no policy.
        ValueError: An argument is out of its range.
    """
    from bipedal.evaluation.score import evaluate as play

    _check_policy(policy)
    return play(policy, env_id, episodes=episodes, seed=seed, statistics=statistics)


@_with_pythons_errors
def record(
    policy: Player,
    out: str | Path,
    *,
    env_id: str | None = None,
    seed: int = 0,
    max_seconds: float | None = None,
) -> RecordedEpisode:
    """Film one episode, on a machine with or without a screen.

    Args:
        policy: As in `evaluate`.
        out: The file to write. Its suffix is `.mp4` (600 x 400, 50 frames/s) or `.gif` (480 x 320,
            25 frames/s). Missing directories are made.
        env_id: As in `evaluate`.
        seed: Seed of the episode, from 0 to 2^31 - 1.
        max_seconds: Where to stop, in seconds of the robot's time; by default at the end.

    Returns:
        A `RecordedEpisode` with `path`, `episodic_return`, `length` in timesteps, and `trajectory`.

    Raises:
        TypeError: `policy` is no policy.
        ValueError: The suffix is another, `out` cannot be written, or an argument is out of range.
        RuntimeError: The video could not be encoded or written.
    """
    from bipedal.evaluation.episode import env_id_of
    from bipedal.report.video import record_episode

    _check_policy(policy)
    return record_episode(policy, env_id or env_id_of(policy), seed, Path(out), max_seconds)


@_with_pythons_errors
def analyse_gait(policy: Player, env_id: str | None = None, *, seed: int = 0) -> Gait:
    """Play one episode and say how the robot walks in it.

    Args:
        policy: As in `evaluate`.
        env_id: As in `evaluate`.
        seed: Seed of the episode, from 0 to 2^31 - 1.

    Returns:
        A `Gait` with `gait_class`, `posture` and `legwork` in a word each, and the numbers behind
        them (speed in m/s, duty factor, step length in m, symmetry ...), NaN where the episode does
        not define one.

    Raises:
        TypeError: `policy` is no policy.
        ValueError: An argument is out of its range.
    """
    from bipedal.evaluation.episode import env_id_of, run_episode
    from bipedal.walker import check_seed

    _check_policy(policy)
    check_seed(seed)
    episode = run_episode(policy, env_id or env_id_of(policy), seed, keep_trajectory=False)
    assert episode.gait is not None, "a recorded episode has a gait"
    return episode.gait


@_with_pythons_errors
def train(
    config: TrainConfig | str = "default",
    run_dir: str | Path | None = None,
    *,
    resume: bool = False,
    on_iteration: Callable[[Progress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
    **changes: Any,
) -> Outcome:
    """Train a policy with PPO, as `bipedal train` does, without its display and its final score.

    Args:
        config: A `TrainConfig`, or the name of a preset. A run that is resumed has its own.
        run_dir: Where to write the run; by default a new directory below `runs/`.
        resume: Go on with the run in `run_dir` from its last save, exactly.
        on_iteration: Called after each iteration with a `Progress`.
        should_stop: Asked after each iteration whether to save and stop.
        **changes: Fields of `TrainConfig` that replace those of `config`, such as `seed=3`.

    Returns:
        An `Outcome` with `run_dir`, `timesteps`, `elapsed` in seconds, `finished` and `solved`.
        `load_model(outcome.run_dir)` reads the best model.

    Raises:
        TypeError: `changes` names no field of `TrainConfig`.
        ValueError: There is no such preset, a value makes no sense, or `run_dir` holds a run
            already (with `resume`: holds none).
        RuntimeError: The job cannot go on: a loss that is not finite, a full disk.
    """
    from bipedal.presets import get_preset
    from bipedal.run_directory import read_run_config
    from bipedal.run_names import new_run_dir
    from bipedal.training_loop import train as run

    if resume:
        if run_dir is None:
            raise UserError("name the run_dir of the run to resume")
        start = read_run_config(Path(run_dir))
    else:
        start = get_preset(config) if isinstance(config, str) else config
    changed = dataclasses.replace(start, **changes)
    place = new_run_dir(changed) if run_dir is None else Path(run_dir)
    return run(changed, place, resume=resume, on_iteration=on_iteration, should_stop=should_stop)


@_with_pythons_errors
def make(env_id: str = "BipedalWalker-v3", **options: Any) -> gymnasium.Env[Any, Any]:
    """Make one walker as a `gymnasium.Env`; the same as `gymnasium.make("bipedal/ENV_ID", ...)`.

    Observations are float32 (24,), actions float32 (4,) from -1 to 1.

    Args:
        env_id: `"BipedalWalker-v3"` or `"BipedalWalkerHardcore-v3"`.
        **options: Those of `gymnasium.make`, such as `render_mode="rgb_array"` and
            `max_episode_steps=500`.

    Raises:
        ValueError: There is no such environment, or an option has an impossible value.
    """
    import gymnasium

    from bipedal.walker import check_env_id

    check_env_id(env_id)
    return gymnasium.make(f"bipedal/{env_id}", **options)


@_with_pythons_errors
def make_vec(
    env_id: str = "BipedalWalker-v3", num_envs: int = 1, **options: Any
) -> gymnasium.vector.VectorEnv[Any, Any, Any]:
    """Make N walkers on the batched engine as a `gymnasium.vector.VectorEnv`.

    The same as `gymnasium.make_vec("bipedal/ENV_ID", num_envs, ...)`. Observations are float32
    (N, 24), actions (N, 4), rewards float64 (N,), ends bool (N,).

    Args:
        env_id: `"BipedalWalker-v3"` or `"BipedalWalkerHardcore-v3"`.
        num_envs: N.
        **options: `autoreset_mode` (`"NextStep"`, `"SameStep"` or `"Disabled"`), `render_mode`,
            `max_episode_steps`, `device` (`"cpu"` or `"cuda"`) and `threads` of the engine.

    Raises:
        ValueError: There is no such environment, or an option has an impossible value.
    """
    import gymnasium

    from bipedal.walker import check_env_id

    check_env_id(env_id)
    return gymnasium.make_vec(f"bipedal/{env_id}", num_envs, **options)


def _check_policy(policy: object) -> None:
    """TypeError if this cannot play."""
    if not callable(getattr(policy, "act_batch", policy)):
        raise TypeError(
            f"this takes a policy or a function from observation to action, not "
            f"{type(policy).__name__}: load_model reads a policy"
        )
