"""Every study: what a trial trains, and what it makes of what it finds.

Trainings are tiny, or pretended where only what becomes of them is of interest.
"""

import dataclasses
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ModelMaker

from bipedal.checkpoint import load_model, save_model
from bipedal.config import TrainConfig
from bipedal.errors import RunFailedError, UserError
from bipedal.evaluation.episode import run_episode
from bipedal.evaluation.gait import Posture
from bipedal.evaluation.score import evaluate
from bipedal.policy import Policy
from bipedal.presets import DEFAULT, HARDCORE, HARDCORE_CAREFUL, SEED
from bipedal.schedules import hyperparameters, noise_restarts
from bipedal.seeds import FINAL_SEED
from bipedal.studies import (
    MODULES,
    algorithms,
    dynamics,
    find_study,
    hardcore,
    hardcore_levers,
    inference,
    kneeling,
    peers,
    seeds,
)
from bipedal.studies.study import Trial
from bipedal.studies.summary import FEWEST_SEEDS
from bipedal.studies.training import LASTING, budgeted, posture_row, walks_or_runs
from bipedal.tables import read_table, write_table


@pytest.fixture(autouse=True)
def few_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (algorithms, dynamics, hardcore, hardcore_levers, inference, kneeling):
        monkeypatch.setattr(module, "EPISODES", 1)
    monkeypatch.setattr(algorithms, "GRID", 2)
    monkeypatch.setattr(algorithms, "SECONDS", 1.0)
    monkeypatch.setattr(algorithms, "LONGER", {})


def play(name: str, arm: str, timesteps: int, folder: Path) -> Any:
    return find_study(name).trial(Trial(arm, 0, timesteps, folder))


def pretend(
    gait: str = "running",
    episodic_return: float = 1.0,
    kneeling: float = 0.0,
    lying: float = 0.0,
    going: float = 0.0,
    length: int = 250,
) -> Any:
    """A score, as far as trials look at it."""
    summary = {"mean_return": episodic_return, "fall_rate": 0.25, "mean_speed": 2.0}
    told = {"std_return": 1.0, "iqm_return": 2.0, "max_return": 3.0, "share_solved": 0.5}
    walk = {
        "class": gait,
        "classes": {"walking": 0.4 * going, "running": 0.6 * going},
        "posture": "upright",
        "postures": {"kneeling/crawling": kneeling, "upright": 1.0 - kneeling},
        "lying_share": lying,
        "hull_height": 2.0,
        "legwork": "limping",
        "step_symmetry": 0.1,
    }
    knees = SimpleNamespace(posture=Posture.KNEELING, lying_share=lying)
    feet = SimpleNamespace(posture=Posture.UPRIGHT, lying_share=lying)
    kneelers = round(20 * kneeling)
    episodes = [SimpleNamespace(length=length, gait=knees) for _ in range(kneelers)]
    episodes += [SimpleNamespace(length=length, gait=feet) for _ in range(20 - kneelers)]
    return SimpleNamespace(
        episodes=episodes,
        summary=lambda: summary,
        gait=lambda: walk,
        mean_return=episodic_return,
        to_json=lambda: {**summary, **told, "solved": True, "gait": walk},
    )


@pytest.mark.parametrize("name", MODULES)
def test_a_study_is_whole(name: str) -> None:
    study = find_study(name)
    assert study.name == name
    assert study.title and study.claimed and study.method
    assert study.seeds >= FEWEST_SEEDS
    for claim in study.claims:
        assert set(claim.more) | set(claim.less) <= set(study.shown), claim.text
        assert claim.measure in [measure.column for measure in study.measures]
        assert not set(claim.more) & set(claim.less)
        assert len(claim.more) == len(claim.less) == 1 or not claim.paired
        # Conditions that are not arms are of the same runs, unless they are of different arms.
        assert claim.paired or set(claim.more) <= set(study.arms)


def test_an_unknown_study_gets_a_sentence() -> None:
    with pytest.raises(UserError, match="unknown study 'gait': choose one of dynamics"):
        find_study("gait")


def test_phases_that_do_not_divide_the_budget_are_refused() -> None:
    assert budgeted(DEFAULT, 5 * DEFAULT.batch_size, 5).checkpoint_interval == 1
    assert budgeted(DEFAULT, 12 * DEFAULT.batch_size, 4).checkpoint_interval == 3
    with pytest.raises(UserError, match="6 iterations, which cannot be shared out among 4 phases"):
        budgeted(DEFAULT, 6 * DEFAULT.batch_size, 4)


# One study after another --------------------------------------------------------------------------


def test_dynamics_has_a_row_a_phase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = dataclasses.replace(SEED, epochs=1)
    monkeypatch.setattr(dynamics, "SEED", small)
    rows, curve = play("dynamics", "notebook", 10 * 2048, tmp_path)
    assert [row["condition"] for row in rows] == list(dynamics.STUDY.conditions)
    assert curve[-1]["timesteps"] == 10 * 2048
    metrics = read_table(tmp_path / "run" / "metrics.csv")
    for phase, row in enumerate(rows):
        std = np.mean([metric["charts/std"] for metric in metrics[2 * phase : 2 * phase + 2]])
        assert row["std"] == round(float(std), 3)
        ended = [
            metric["charts/episodic_return"]
            for metric in metrics[2 * phase : 2 * phase + 2]
            if metric["charts/episodic_return"] is not None
        ]
        mean = round(float(np.mean(ended)), 3) if ended else None
        assert row["training_return"] == mean
        model = load_model(tmp_path / "run" / "saved_models" / f"checkpoint_{2 * phase + 2}.pth")
        played = evaluate(model, small.env_id, episodes=1, seed=FINAL_SEED)
        assert row["return"] == round(played.mean_return, 2)
        gait = played.gait()
        lasts = played.episodes[0].length >= LASTING
        kneeling = gait["postures"]["kneeling/crawling"] if lasts else 0.0
        assert row["kneeling_share"] == kneeling
        assert row["kneels"] is (row["kneeling_share"] > 0.5)
        assert row["lying_share"] == round(gait["lying_share"], 3)
        assert (row["hull_height"], row["legwork"]) == (
            round(gait["hull_height"], 2),
            gait["legwork"],
        )


def test_dynamics_has_the_notebooks_values_but_those_of_throughput() -> None:
    config = dynamics.config_of(SEED.total_timesteps)
    ours, theirs = dataclasses.asdict(config), dataclasses.asdict(SEED)
    assert {name for name in ours if ours[name] != theirs[name]} == {
        "num_envs", "rollout_steps", "minibatch_size",
        "checkpoint_interval", "evaluation_interval", "video_interval", "final_episodes",
    }  # fmt: skip
    assert config.batch_size == SEED.batch_size


@pytest.mark.parametrize(
    ("shares", "at_the_end", "ever"),
    [
        ((0.0, 0.55, 0.5, 0.0, 0.0), False, True),
        ((0.0, 0.0, 0.0, 0.5, 0.55), True, True),
        ((0.5, 0.5, 0.5, 0.5, 0.5), False, False),
    ],
)
def test_kneeling_looks_at_five_moments(
    shares: tuple[float, ...],
    at_the_end: bool,
    ever: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are in the order of their numbers, not of their names. Half of them is not most."""
    models = tmp_path / "saved_models"
    models.mkdir()
    numbers = (3, 6, 9, 12, 15)
    by_path = {f"checkpoint_{n}": share for n, share in zip(numbers, shares, strict=True)}
    for name in by_path:
        (models / f"{name}.pth").touch()
    monkeypatch.setattr(kneeling, "train_in", lambda trial, config: tmp_path)
    monkeypatch.setattr(kneeling, "load_model", lambda path: path.stem)
    monkeypatch.setattr(
        kneeling,
        "score",
        lambda name, *_: pretend(name, kneeling=by_path[name], lying=by_path[name] / 2, going=0.6),
    )
    ((row,), _) = play("kneeling", kneeling.NOTEBOOK, 600_000, tmp_path)
    assert [row[column] for column in kneeling.STUDY.classes] == list(by_path)
    assert [row[f"kneeling_share_{moment}"] for moment in kneeling.MOMENTS] == list(shares)
    assert (row["kneels_at_the_end"], row["ever_kneels"]) == (at_the_end, ever)
    assert row["lying_share"] == pytest.approx(sum(shares) / 10)
    assert row["lying_share_after_40_%"] == round(shares[1] / 2, 3)
    assert (row["gait"], row["walks_or_runs"]) == ("checkpoint_15", True)


@pytest.mark.parametrize(("length", "kneels"), [(249, False), (250, True)])
def test_a_robot_that_soon_falls_does_not_kneel(length: int, kneels: bool) -> None:
    assert posture_row(pretend(kneeling=1.0, length=length))["kneels"] is kneels


def test_time_on_the_ground_counts_by_the_timestep() -> None:
    """100 of 400 timesteps and 500 of 600: 0.6, not the mean of a quarter and five sixths."""
    played = pretend()
    short, long = (SimpleNamespace(posture=Posture.UPRIGHT, lying_share=x) for x in (0.25, 5 / 6))
    played.episodes = [
        SimpleNamespace(length=400, gait=short),
        SimpleNamespace(length=600, gait=long),
    ]
    assert posture_row(played)["lying_share"] == 0.6


@pytest.mark.parametrize(("going", "walks"), [(0.5, False), (0.55, True)])
def test_most_episodes_decide_whether_a_robot_walks(going: float, walks: bool) -> None:
    assert walks_or_runs(pretend(going=going)) is walks


def differing(arm: str, other: str) -> set[str]:
    """Fields in which two of kneeling's arms differ."""
    ours, theirs = (
        dataclasses.asdict(kneeling.config_of(name, 3_072_000)) for name in (arm, other)
    )
    return {name for name in ours if ours[name] != theirs[name]}


@pytest.mark.parametrize("arm", kneeling.ARMS)
def test_kneelings_arms_differ_in_what_they_are_called_after(arm: str) -> None:
    changed = {
        kneeling.NOTEBOOK: set(),
        kneeling.NO_NORM: {"layer_norm"},
        kneeling.NO_BONUS: {"entropy_coefficient"},
        kneeling.NEITHER: {"layer_norm", "entropy_coefficient"},
        kneeling.LARGE_BONUS: {"entropy_coefficient"},
        kneeling.LESS_NOISE: {"initial_log_std"},
        kneeling.LONG_VIEW: {"gamma", "final_gamma"},
        kneeling.SHAPED: {"posture_cost", "torque_share", "final_torque_share"},
    }
    assert differing(arm, kneeling.NOTEBOOK) == changed[arm]
    config = kneeling.config_of(arm, SEED.total_timesteps)
    assert config.iterations == kneeling.PARTS * config.checkpoint_interval
    config.validate()


@pytest.mark.parametrize("arm", kneeling.ARMS)
def test_nothing_in_kneeling_begins_again(arm: str) -> None:
    """3M timesteps are longer than the annealing, which the notebook's constant values ignore."""
    config = kneeling.config_of(arm, 3_072_000)
    first = hyperparameters(config, 0)
    for iteration in range(config.iterations):
        assert hyperparameters(config, iteration * config.batch_size) == first
        assert not noise_restarts(config, iteration * config.batch_size)


def test_kneelings_claims_compare_what_they_are_called_after() -> None:
    """The arms of a pair differ in nothing but what the claim is about."""
    about: list[set[str]] = []
    for claim in kneeling.STUDY.claims:
        pairs = [differing(*pair) for pair in zip(claim.more, claim.less, strict=True)]
        assert all(pair == pairs[0] for pair in pairs), claim.text
        about.append(pairs[0])
    assert about == [
        {"layer_norm"},
        {"entropy_coefficient"},
        {"layer_norm", "entropy_coefficient"},
        {"entropy_coefficient"},
        {"initial_log_std"},
        {"gamma", "final_gamma"},
        {"posture_cost", "torque_share", "final_torque_share"},
    ]


def test_statistics_are_exchanged_and_nothing_else(
    tmp_path: Path, make_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "saved_models"
    models.mkdir()
    for seed, name in enumerate(("best_model", "checkpoint_100", "checkpoint_25")):
        save_model(models / f"{name}.pth", make_model(seed=seed))
    tried: list[tuple[Policy, str]] = []

    def score(model: Policy, env_id: str, episodes: int, statistics: str) -> Any:
        tried.append((model, statistics))
        return pretend(episodic_return=float(len(tried)))

    monkeypatch.setattr(inference, "train_in", lambda trial, config: tmp_path)
    monkeypatch.setattr(inference, "score", score)
    rows, _ = play("statistics", "default preset", 8192, tmp_path)
    assert [row["condition"] for row in rows] == list(inference.STUDY.conditions)
    assert [row["return"] for row in rows] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [kind for _, kind in tried] == ["saved", "none", "fresh", "saved", "saved"]
    best, early = load_model(models / "best_model.pth"), load_model(models / "checkpoint_25.pth")
    for (model, _), other in zip(
        tried, (best, best, best, early, load_model("pretrained:walker")), strict=True
    ):
        torch.testing.assert_close(model.normalizer.mean, other.normalizer.mean)
        torch.testing.assert_close(model.actor.state_dict(), best.actor.state_dict())


def last_policy(arm: str, timesteps: int, folder: Path) -> Callable[[Any], Any]:
    """The policy of an arm's snapshot at so many timesteps, by the place where it must lie."""
    if arm == "PPO":
        number = timesteps // DEFAULT.batch_size
        return load_model(folder / "run" / "saved_models" / f"checkpoint_{number}.pth").act
    path = folder / f"{timesteps}.pth"
    return peers.load_peer(algorithms.PEERS[arm], path) if arm in algorithms.PEERS else (
        load_model(path).act
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arm", "timesteps"),
    [
        ("PPO", 8192),
        ("GRPO, 8 from the start", 2_000),
        ("GRPO, 8 mid-episode, 32 steps", 2_000),
        ("TRPO", 2_048),
        ("DQN, 3 torques a joint", 100),
        ("SAC", 60),
    ],
)
def test_an_algorithms_snapshots_are_what_is_scored(
    arm: str, timesteps: int, tmp_path: Path
) -> None:
    rows, curve = play("algorithms", arm, timesteps, tmp_path)
    places = [point["timesteps"] for point in curve]
    assert places == sorted(set(places))
    assert rows[0]["timesteps"] == places[-1] > 0
    policy = last_policy(arm, places[-1], tmp_path)
    played = run_episode(policy, DEFAULT.env_id, FINAL_SEED, keep_trajectory=False)
    assert curve[-1]["return"] == round(played.episodic_return, 2)


def test_an_algorithms_row_is_read_off_its_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = [(1_000, 1.0, Path("a")), (21_000, 11.0, Path("b")), (41_000, 31.0, Path("c"))]
    returns = {"a": -100.0, "b": 100.0, "c": 20.0}
    monkeypatch.setattr(algorithms, "_learn_ppo", lambda trial: (kept, str))
    monkeypatch.setattr(
        algorithms,
        "run_episode",
        lambda policy, *_, **__: SimpleNamespace(episodic_return=returns[policy]),
    )
    ((row,), curve) = play("algorithms", "PPO", 10, tmp_path)
    assert [point["return"] for point in curve] == list(returns.values())
    assert (row["timesteps"], row["best"]) == (41_000, 100.0)
    assert (row["at_10000"], row["at_30000"], row["at_100000"]) == (-10.0, 64.0, None)
    assert (row["after_10_s"], row["after_20_s"], row["after_40_s"]) == (80.0, 64.0, None)


def test_a_curve_is_read_off_where_it_has_been() -> None:
    curve = [
        {"timesteps": 10, "return": 1.0},
        {"timesteps": 20, "return": 2.0},
        {"timesteps": 95, "return": 3.0},
    ]
    read_off = algorithms.read_off
    assert read_off(curve, "timesteps", 5) is None
    assert read_off(curve, "timesteps", 15) == 1.5
    assert read_off(curve, "timesteps", 35) == 2.2
    assert read_off(curve, "timesteps", 97) == 3.0
    assert read_off(curve, "timesteps", 100) is None


# Hardcore -----------------------------------------------------------------------------------------


def test_hardcores_arms_differ_in_what_they_are_called_after() -> None:
    for arm in hardcore.STUDY.arms:
        config = hardcore.config_of(arm, 3_000_000)
        assert (config.init_from == "pretrained:walker") is ("fine-tuned" in arm)
        assert (config.reward_floor == -10.0) is ("falls cost 10" in arm)
        assert (config.curriculum_share == 0.8) is ("curriculum" in arm)
        recipe = arm in (hardcore.NOTEBOOK, hardcore.FORGOT)
        assert config.policy_learning_rate == (1e-5 if recipe else DEFAULT.policy_learning_rate)
        assert config.anneal_timesteps == config.total_timesteps == 3_000_000


@pytest.mark.parametrize("arm", list(hardcore.CHANGES))
def test_a_fine_tuned_walker_begins_as_its_arm_says(
    arm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs: list[TrainConfig] = []
    monkeypatch.setattr(
        hardcore, "train_and_score", lambda trial, config, episodes: configs.append(config)
    )
    play("hardcore", arm, 8192, tmp_path)
    start, walker = load_model(configs[0].init_from or ""), load_model("pretrained:walker")
    forgot = arm == hardcore.FORGOT
    torch.testing.assert_close(start.actor.net.state_dict(), walker.actor.net.state_dict())
    assert torch.equal(start.normalizer.mean, walker.normalizer.mean) is not forgot
    assert torch.equal(start.actor.log_std, walker.actor.log_std) is forgot
    if not forgot:
        assert start.actor.log_std.tolist() == [DEFAULT.initial_log_std] * 4


def test_hardcore_scores_the_best_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = dataclasses.replace(
        hardcore.ARMS[hardcore.BOTH], evaluation_interval=1, evaluation_episodes=1
    )
    monkeypatch.setattr(hardcore, "ARMS", {hardcore.BOTH: small})
    ((row,), curve) = play("hardcore", hardcore.BOTH, 2 * 8192, tmp_path)
    best = evaluate(load_model(tmp_path / "run"), small.env_id, episodes=1, seed=FINAL_SEED)
    assert row["return"] == round(best.mean_return, 2)
    assert [point["timesteps"] for point in curve] == [8192, 2 * 8192]


def test_levers_are_taken_away_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[tuple[str, TrainConfig]] = []

    def train_in(trial: Trial, config: TrainConfig, name: str) -> Path:
        trained.append((name, config))
        return trial.folder / name

    monkeypatch.setattr(hardcore_levers, "train_in", train_in)
    monkeypatch.setattr(hardcore_levers, "checkpoints", lambda run_dir: [Path("no"), run_dir])
    monkeypatch.setattr(hardcore_levers, "load_model", lambda path: path.name)
    monkeypatch.setattr(
        hardcore_levers, "score", lambda name, *_: pretend(episodic_return=float(name[-1]))
    )
    study = hardcore_levers.STUDY
    budget = HARDCORE.total_timesteps
    rows = [row for arm in study.arms for row in play(study.name, arm, budget, tmp_path).rows]
    assert [row["condition"] for row in rows] == list(study.conditions)
    assert [row["return"] for row in rows] == [0.0, 0.0, 0.0, 0.0, 1.0]
    names = [name for name, _ in trained]
    assert names == ["run-0", "run-0", "run-0", "start", "run-0", "run-1"]
    bold, quiet, dear, start, careful, ending = (config for _, config in trained)
    assert start.total_timesteps == HARDCORE.total_timesteps
    assert bold.total_timesteps == 300 * HARDCORE.batch_size
    assert careful.total_timesteps == 300 * HARDCORE_CAREFUL.batch_size
    assert careful.init_from == str(tmp_path / "start")
    assert quiet == dataclasses.replace(bold, std_min=DEFAULT.std_min)
    assert dear == dataclasses.replace(bold, reward_floor=DEFAULT.reward_floor)
    assert ending == dataclasses.replace(careful, endless_course=False)


# Seeds --------------------------------------------------------------------------------------------


def write_run(run_dir: Path, model: Policy, evaluations: Mapping[int, float], end: int) -> None:
    """What is read of a run."""
    (run_dir / "saved_models").mkdir(parents=True)
    for name in ("best_model", "checkpoint_100", "checkpoint_25"):
        save_model(run_dir / "saved_models" / f"{name}.pth", model)
    write_table(
        run_dir / "evaluations.csv",
        [
            {"timesteps": t, "time/elapsed": t / 10, "mean_return": r}
            for t, r in evaluations.items()
        ],
    )
    write_table(run_dir / "metrics.csv", [{"timesteps": end, "time/elapsed": end / 10}])


@pytest.mark.parametrize("solved", [True, False])
def test_seeds_put_their_stages_in_a_row(
    solved: bool, tmp_path: Path, make_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[tuple[str, Path | None]] = []
    played: list[tuple[Path, int]] = []

    def launch(config: TrainConfig, trial: Trial, start: Path | None) -> Path:
        launched.append((config.preset, start))
        run_dir = trial.folder / config.preset
        end = 50 if solved and config.preset == "hardcore-polish" else 100
        write_run(run_dir, make_model(), {20: 1.5, end: 2.5}, end)
        return run_dir

    def score(path: Path, env_id: str, episodes: int) -> Any:
        played.append((path, episodes))
        return pretend(episodic_return=float(len(played)))

    monkeypatch.setattr(seeds, "launch", launch)
    monkeypatch.setattr(seeds, "load_model", lambda path: path)
    monkeypatch.setattr(seeds, "score", score)
    ((row,), curve) = play("seeds", "hardcore", 100, tmp_path)
    stages = ["hardcore", "hardcore-careful", "hardcore-polish"]
    starts = [None, tmp_path / stages[0], tmp_path / stages[1]]
    assert launched == list(zip(stages, starts, strict=True))
    end = 50 if solved else 100
    assert [point["timesteps"] for point in curve] == [20, 100, 120, 200, 220, 200 + end]
    assert [point["seconds"] for point in curve] == [2.0, 10.0, 12.0, 20.0, 22.0, 20.0 + end / 10]
    assert (row["timesteps"], row["stopped_as_solved"]) == (200 + end, solved)
    last = tmp_path / "hardcore-polish" / "saved_models" / "checkpoint_100.pth"
    assert played == [(tmp_path / "hardcore-polish", 1000), (last, 100)][: 1 if solved else 2]
    assert (row["return"], row["final_return"]) == (1.0, 1.0 if solved else 2.0)
    assert (row["posture"], row["upright"], row["hull_height"]) == ("upright", 1.0, 2.0)


def test_a_stage_is_launched_as_a_user_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        commands.append(command)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    config = seeds.stages_of("hardcore", 12_000_000)[1]
    assert config.total_timesteps == 12_000_000 < HARDCORE_CAREFUL.total_timesteps
    trial = Trial("hardcore", 1010, 12_000_000, tmp_path)
    assert seeds.launch(config, trial, Path("before")) == tmp_path / "hardcore-careful"
    assert commands[0][1:] == [
        *("-m", "bipedal", "train", "--preset", "hardcore-careful", "--seed", "1010"),
        *("--run-dir", str(tmp_path / "hardcore-careful"), "--total-timesteps", "12000000"),
        *("--init-from", "before"),
    ]


def test_a_stage_that_fails_is_told(tmp_path: Path) -> None:
    config = dataclasses.replace(seeds.stages_of("default", 100)[0], total_timesteps=-5)
    with pytest.raises(RunFailedError, match=r"exit code 2: .*--total-timesteps must be"):
        seeds.launch(config, Trial("default", 0, 100, tmp_path), None)
