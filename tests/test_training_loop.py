"""The loop: a real short training, its exact continuation, and how it fails."""

import csv
import errno
import json
import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
import torch

from bipedal import initial, ppo, trainer, training_loop
from bipedal.checkpoint import load_model, load_state, save_model
from bipedal.config import TrainConfig
from bipedal.errors import RunFailedError, UserError
from bipedal.evaluation import selection
from bipedal.evaluation.selection import Result
from bipedal.logs import RunLog
from bipedal.policy import Policy
from bipedal.run_directory import lock_run, prepare_run, read_run_config
from bipedal.trainer import Progress, Trainer

TOY = TrainConfig(
    total_timesteps=8 * 256,
    num_envs=4,
    rollout_steps=64,
    minibatch_size=64,
    epochs=2,
    hidden_sizes=(16, 16),
    policy_learning_rate=5e-4,
    final_learning_rate_scale=0.0,
    anneal_timesteps=8 * 256,
    restart_timesteps=0,
    final_gamma=0.998,
    initial_log_std=-0.5,
    std_max=0.61,
    final_std_max=0.1,
    checkpoint_interval=4,
    evaluation_interval=3,
    evaluation_episodes=1,
    evaluation_min_return=-1e9,
    final_episodes=2,
)
CLOCK_COLUMNS = ("charts/SPS", "time/elapsed")


def read_rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def without_clock(path: Path) -> list[dict[str, str]]:
    return [
        {name: value for name, value in row.items() if name not in CLOCK_COLUMNS}
        for row in read_rows(path)
    ]


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Every leaf of nested dictionaries and lists, by its path."""
    if isinstance(value, dict):
        return {
            k: v
            for name, item in value.items()
            for k, v in flatten(item, f"{prefix}/{name}").items()
        }
    if isinstance(value, list):
        return {
            k: v for i, item in enumerate(value) for k, v in flatten(item, f"{prefix}/{i}").items()
        }
    return {prefix: value}


def assert_same_run(first: Path, second: Path) -> None:
    """Every saved tensor, statistic and metric, bit for bit; clocks apart."""
    models = sorted(path.name for path in (first / "saved_models").glob("*.pth"))
    assert models == sorted(path.name for path in (second / "saved_models").glob("*.pth"))
    assert "best_model.pth" in models and len(models) >= 3
    for name in models:
        one, other = (
            load_model(first / "saved_models" / name),
            load_model(second / "saved_models" / name),
        )
        for module in ("actor", "critic", "normalizer"):
            ours, theirs = getattr(one, module).state_dict(), getattr(other, module).state_dict()
            assert all(torch.equal(ours[key], theirs[key]) for key in ours), (name, module)
        assert one.actor.std_bounds == other.actor.std_bounds
        assert one.info == other.info
    ours, theirs = (
        flatten(load_state(run / "saved_models" / "resume.pt")) for run in (first, second)
    )
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        same = (
            torch.equal(value, theirs[key])
            if isinstance(value, torch.Tensor)
            else value == theirs[key]
        )
        assert same or key == "/elapsed", key
    for table in ("metrics.csv", "evaluations.csv"):
        assert without_clock(first / table) == without_clock(second / table)


def assert_resumes_exactly(config: TrainConfig, folder: Path, *, stop_after: int) -> None:
    """A run that stops after some iterations and is resumed equals one that does not: `whole`."""
    training_loop.train(config, folder / "whole")
    iterations: list[Progress] = []
    training_loop.train(
        config,
        folder / "parts",
        on_iteration=iterations.append,
        should_stop=lambda: len(iterations) == stop_after,
    )
    training_loop.train(config, folder / "parts", resume=True)
    assert_same_run(folder / "whole", folder / "parts")


@pytest.fixture(autouse=True, scope="module")
def one_core() -> Iterator[None]:
    """Everything stays in this process: to start others takes longer than to train."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("uninterrupted") / "run"
    outcome = training_loop.train(TOY, run_dir)
    assert outcome.finished
    return run_dir


class TestRunDirectory:
    def test_holds_what_it_promises(self, uninterrupted: Path) -> None:
        present = {
            str(p.relative_to(uninterrupted)) for p in uninterrupted.rglob("*") if p.is_file()
        }
        assert {
            "config.json",
            "metrics.csv",
            "evaluations.csv",
            "saved_models/best_model.pth",
            "saved_models/best_model_stats.pkl",
            "saved_models/checkpoint_4.pth",
            "saved_models/checkpoint_4_stats.pkl",
            "saved_models/resume.pt",
        } <= present
        assert any(name.startswith("tensorboard/") for name in present)
        assert not any(name.endswith(".tmp") for name in present)

    def test_one_metrics_row_an_iteration(self, uninterrupted: Path) -> None:
        rows = read_rows(uninterrupted / "metrics.csv")
        assert [int(row["iteration"]) for row in rows] == list(range(1, 9))
        assert [int(row["timesteps"]) for row in rows] == [256 * n for n in range(1, 9)]
        for name in ("charts/SPS", "losses/policy_loss", "losses/approx_kl", "losses/entropy"):
            assert all(row[name] for row in rows)

    def test_evaluations_tell_the_gait(self, uninterrupted: Path) -> None:
        rows = read_rows(uninterrupted / "evaluations.csv")
        assert [int(row["iteration"]) for row in rows] == [3, 6, 8]
        assert all(row["gait/class"] for row in rows)

    def test_config_is_complete(self, uninterrupted: Path) -> None:
        assert read_run_config(uninterrupted) == TOY
        description = json.loads((uninterrupted / "config.json").read_text())
        assert {"python", "torch", "gymnasium"} <= description["versions"].keys()


class TestResume:
    @pytest.mark.parametrize("stop_after", [1, 5, 8])
    def test_is_bit_identical(
        self,
        uninterrupted: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        stop_after: int,
    ) -> None:
        """Also on other cores: all there are for the first part of one run."""
        if stop_after == 5:
            monkeypatch.delenv("OMP_NUM_THREADS")
        run_dir = tmp_path / "run"
        iterations = []

        def on_iteration(progress: Progress) -> None:
            iterations.append(progress.iteration)

        outcome = training_loop.train(
            TOY,
            run_dir,
            on_iteration=on_iteration,
            should_stop=lambda: len(iterations) == stop_after,
        )
        assert outcome.finished == (stop_after == 8)
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        outcome = training_loop.train(TOY, run_dir, resume=True, on_iteration=on_iteration)
        assert outcome.finished
        assert iterations == list(range(1, 9))
        assert_same_run(run_dir, uninterrupted)

    def test_the_moment_of_saving_leaves_no_trace(
        self, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(training_loop, "SAVE_SECONDS", 0.0)  # after every iteration
        training_loop.train(TOY, tmp_path / "run")
        assert_same_run(tmp_path / "run", uninterrupted)

    def test_rows_after_the_save_are_cut_and_written_again(
        self, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A crash after iteration 6 with a save at 3, and half a line on the disk."""
        run_dir = tmp_path / "run"
        seen = []

        def crash(progress: Progress) -> None:
            seen.append(progress.iteration)
            monkeypatch.setattr(
                training_loop, "SAVE_SECONDS", 0.0 if progress.iteration == 3 else 1e9
            )
            if progress.iteration == 6:
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            training_loop.train(TOY, run_dir, on_iteration=crash)
        with open(run_dir / "metrics.csv", "a") as file:
            file.write("7,1792,0.1")
        assert load_state(run_dir / "saved_models" / "resume.pt")["iteration"] == 3
        training_loop.train(TOY, run_dir, resume=True)
        assert_same_run(run_dir, uninterrupted)

    def test_before_the_first_save_starts_again(self, uninterrupted: Path, tmp_path: Path) -> None:
        run_dir = tmp_path / "run"
        prepare_run(run_dir, TOY)
        (run_dir / "metrics.csv").write_text("iteration,times")
        training_loop.train(TOY, run_dir, resume=True)
        assert_same_run(run_dir, uninterrupted)

    def test_a_model_to_start_from(self, uninterrupted: Path, tmp_path: Path) -> None:
        assert_resumes_exactly(replace(TOY, init_from=str(uninterrupted)), tmp_path, stop_after=3)

    def test_a_memory_goes_on_where_it_was(self, tmp_path: Path) -> None:
        config = replace(TOY, frames=3, frame_stride=2)
        assert_resumes_exactly(config, tmp_path, stop_after=1)
        assert load_model(tmp_path / "parts").frame_stack == (3, 2)

    def test_terrains_of_falls_come_back_as_they_would_have(self, tmp_path: Path) -> None:
        config = replace(TOY, rollout_steps=32, total_timesteps=32 * 128, replay_falls=0.5)
        assert_resumes_exactly(config, tmp_path, stop_after=4)
        state = torch.load(tmp_path / "whole/saved_models/resume.pt", weights_only=True)
        assert len(state["replay"]["falls"]) > 0

    def test_a_curriculum_goes_on_where_it_was(self, tmp_path: Path) -> None:
        config = replace(
            TOY,
            env_id="BipedalWalkerHardcore-v3",
            rollout_steps=256,
            total_timesteps=8 * 1024,
            curriculum_share=0.8,
            reward_floor=-10.0,
            evaluation_interval=8,
        )
        assert_resumes_exactly(config, tmp_path, stop_after=2)
        rows = read_rows(tmp_path / "whole/metrics.csv")
        difficulties = [float(row["charts/difficulty"]) for row in rows]
        assert difficulties[0] < 0.3
        assert difficulties[-2:] == [1.0, 1.0]

    def test_may_only_change_the_length(self, uninterrupted: Path, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"cannot change gamma 0\.99 -> 0\.9"):
            training_loop.train(replace(TOY, gamma=0.9), uninterrupted, resume=True)
        run_dir = tmp_path / "run"
        training_loop.train(replace(TOY, total_timesteps=512), run_dir)
        longer = replace(TOY, total_timesteps=1024)
        assert training_loop.train(longer, run_dir, resume=True).timesteps == 1024
        assert read_run_config(run_dir) == longer

    def test_without_a_run_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no run to resume"):
            training_loop.train(TOY, tmp_path / "nothing", resume=True)


class TestBest:
    """Which model is the best, by what the configuration says."""

    def best_iteration(self, run_dir: Path) -> int:
        return int(load_model(run_dir).info["iteration"])

    def test_by_evaluation(self, uninterrupted: Path) -> None:
        rows = read_rows(uninterrupted / "evaluations.csv")
        best = max(rows, key=lambda row: float(row["mean_return"]))
        assert self.best_iteration(uninterrupted) == int(best["iteration"])

    def test_by_training_once_half_a_window_has_ended(self, tmp_path: Path) -> None:
        config = replace(TOY, best_by="training", best_window=10)
        training_loop.train(config, tmp_path / "run")
        rows = [
            row
            for row in read_rows(tmp_path / "run/metrics.csv")
            if int(row["charts/episodes"]) >= 5
        ]
        best = max(rows, key=lambda row: float(row["charts/episodic_return_mean"]))
        assert self.best_iteration(tmp_path / "run") == int(best["iteration"])

    def test_is_the_last_where_nothing_was_measured(self, tmp_path: Path) -> None:
        config = replace(
            TOY, best_by="training", evaluation_interval=0, best_window=10_000, total_timesteps=512
        )
        training_loop.train(config, tmp_path / "run")
        assert self.best_iteration(tmp_path / "run") == 2


class ScriptedEvaluator:
    """Answers what it is told to: mean returns of an evaluation and of the confirmation."""

    evaluation = 310.0
    confirmation = 304.0
    gain = 1.0
    asked: ClassVar[list[str]]

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        self.asked.clear()

    def evaluate(self, policy: Policy) -> Result:
        self.asked.append("evaluation")
        return Result(
            {"mean_return": self.evaluation}, self.evaluation, 0.0, self.gain, kneels=False
        )

    def returns(self, policy: Policy, part: int) -> npt.NDArray[np.float64]:
        assert policy.gain == self.gain
        self.asked.append("confirmation")
        return np.full(384, self.confirmation)

    def close(self) -> None:
        pass


class TestStopWhenSolved:
    evaluator: type[ScriptedEvaluator]

    @pytest.fixture(autouse=True)
    def script(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A class of this test's own, so that it may change what is answered."""
        self.evaluator = type("Evaluator", (ScriptedEvaluator,), {"asked": []})
        monkeypatch.setattr(selection, "make_evaluator", self.evaluator)

    def test_ends_with_the_model_that_solved_it(self, tmp_path: Path) -> None:
        outcome = training_loop.train(TOY, tmp_path / "run")
        assert (outcome.solved, outcome.finished, outcome.timesteps) == (True, True, 3 * 256)
        assert self.evaluator.asked == ["evaluation", "confirmation"]
        assert load_model(tmp_path / "run").info["iteration"] == 3
        assert (tmp_path / "run/saved_models/checkpoint_3.pth").exists()

    @pytest.mark.parametrize(
        ("which", "answer"),
        [("evaluation", 299.9), ("confirmation", 299.9)],
    )
    def test_goes_on_below_the_threshold(self, tmp_path: Path, which: str, answer: float) -> None:
        setattr(self.evaluator, which, answer)
        outcome = training_loop.train(TOY, tmp_path / "run")
        assert (outcome.solved, outcome.finished, outcome.timesteps) == (False, True, 8 * 256)

    def test_evaluations_wait_until_training_looks_promising(self, tmp_path: Path) -> None:
        training_loop.train(replace(TOY, evaluation_min_return=150.0), tmp_path / "run")
        assert self.evaluator.asked == ["evaluation", "confirmation"]  # the last iteration's
        assert load_model(tmp_path / "run").info["iteration"] == 8

    def test_saves_the_policy_with_the_gain_that_did_best(self, tmp_path: Path) -> None:
        training_loop.train(replace(TOY, total_timesteps=3 * 256), tmp_path / "plain")
        self.evaluator.gain = 0.5
        training_loop.train(replace(TOY, total_timesteps=3 * 256), tmp_path / "run")
        plain, scaled = load_model(tmp_path / "plain"), load_model(tmp_path / "run")
        assert scaled.info["gain"] == 0.5
        ours, theirs = scaled.actor.state_dict(), plain.actor.state_dict()
        for name, value in theirs.items():
            last = name.startswith("net.6")
            assert torch.equal(ours[name], 0.5 * value if last else value), name
        state = load_state(tmp_path / "run/saved_models/resume.pt")  # training goes on unscaled
        assert torch.equal(state["actor"]["net.6.weight"], theirs["net.6.weight"])

    def test_a_restart_begins_with_the_gain_that_did_best(self, tmp_path: Path) -> None:
        """With learning rates of almost nothing, only the restart after row 4 scales."""
        self.evaluator.gain = 0.5
        config = replace(
            TOY,
            policy_learning_rate=1e-12,
            anneal_timesteps=4 * 256,
            total_timesteps=5 * 256,
            stop_when_solved=False,
            evaluation_interval=4,
        )
        run = Trainer(config, tmp_path)
        before = run.policy.actor.state_dict()["net.6.weight"].clone()
        log = RunLog(tmp_path, iteration=0, timesteps=0)
        (tmp_path / "saved_models").mkdir()
        for _ in range(4):
            std = run.iterate(log).std
        torch.testing.assert_close(run.policy.actor.state_dict()["net.6.weight"], before)
        assert run.iterate(log).std > 2.0 * std
        torch.testing.assert_close(run.policy.actor.state_dict()["net.6.weight"], 0.5 * before)
        log.close()
        run.close()

    def test_goes_on_if_told_to(self, tmp_path: Path) -> None:
        outcome = training_loop.train(replace(TOY, stop_when_solved=False), tmp_path / "run")
        assert (outcome.solved, outcome.timesteps) == (False, 8 * 256)
        assert "confirmation" not in self.evaluator.asked

    def test_a_solved_run_has_nothing_to_resume_until_it_is_told_to_go_on(
        self, tmp_path: Path
    ) -> None:
        training_loop.train(TOY, tmp_path / "run")
        assert training_loop.train(TOY, tmp_path / "run", resume=True).timesteps == 3 * 256
        on = replace(TOY, stop_when_solved=False)
        outcome = training_loop.train(on, tmp_path / "run", resume=True)
        assert (outcome.solved, outcome.timesteps) == (False, 8 * 256)


class TestSchedules:
    def test_learning_rate_and_deviation_are_annealed(self, uninterrupted: Path) -> None:
        rows = read_rows(uninterrupted / "metrics.csv")
        rates = [float(row["charts/policy_learning_rate"]) for row in rows]
        assert rates == pytest.approx([5e-4 * (1 - n / 8) for n in range(8)])
        limits = [0.61 * (0.1 / 0.61) ** (n / 8) for n in range(8)]
        assert all(
            float(row["charts/std"]) <= limit + 1e-6
            for row, limit in zip(rows, limits, strict=True)
        )


class TestInitFrom:
    def test_takes_weights_statistics_and_sizes(self, uninterrupted: Path, tmp_path: Path) -> None:
        source = load_model(uninterrupted)
        config = replace(TOY, hidden_sizes=(5,), init_from=str(uninterrupted))
        (tmp_path / "saved_models").mkdir()
        run = Trainer(config, tmp_path)
        run.close()
        for module in ("actor", "critic"):
            ours = getattr(run.policy, module).state_dict()
            assert all(
                torch.equal(ours[key], value)
                for key, value in getattr(source, module).state_dict().items()
            )
        assert torch.equal(run.policy.normalizer.count, source.normalizer.count)

    def test_a_disk_too_full_for_its_copy_is_said(
        self, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(initial, "save_model", full)
        with pytest.raises(UserError, match=r"cannot write .*checkpoint_0\.pth: No space left"):
            training_loop.train(replace(TOY, init_from=str(uninterrupted)), tmp_path / "run")
        assert not (tmp_path / "run").exists()

    def test_the_critic_keeps_its_units(self, uninterrupted: Path, tmp_path: Path) -> None:
        config = replace(TOY, init_from=str(uninterrupted))
        (tmp_path / "saved_models").mkdir()
        run = Trainer(config, tmp_path)
        run.close()
        scaler = run.learner.collector.reward_scaler
        info = load_model(uninterrupted).info
        assert float(scaler.var) == info["discounted_return_variance"] != 1.0
        assert float(scaler.mean) == info["discounted_return_mean"] != 0.0
        assert float(scaler.count) == config.batch_size

    @pytest.mark.parametrize("variance", [0.0, -1.0, math.inf, math.nan])
    def test_an_impossible_scale_is_refused(
        self, uninterrupted: Path, tmp_path: Path, variance: float
    ) -> None:
        policy = load_model(uninterrupted)
        policy.info["discounted_return_variance"] = variance
        save_model(tmp_path / "odd.pth", policy)
        with pytest.raises(UserError, match="not finite"):
            training_loop.train(replace(TOY, init_from=str(tmp_path / "odd.pth")), tmp_path / "run")
        assert not (tmp_path / "run").exists()

    def test_goes_on_without_the_original(self, uninterrupted: Path, tmp_path: Path) -> None:
        original = shutil.copytree(uninterrupted, tmp_path / "original")
        config = replace(TOY, hidden_sizes=(5,), init_from=str(original), total_timesteps=512)
        training_loop.train(config, tmp_path / "run", should_stop=lambda: True)
        shutil.rmtree(original)
        stored = read_run_config(tmp_path / "run")
        assert stored.hidden_sizes == TOY.hidden_sizes  # the real ones
        assert training_loop.train(stored, tmp_path / "run", resume=True).finished

    def test_a_missing_model_leaves_no_run_behind(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="there is no model"):
            training_loop.train(replace(TOY, init_from="nowhere.pth"), tmp_path / "run")
        assert not (tmp_path / "run").exists()


class TestFailures:
    def test_a_power_cut_takes_no_row_that_the_saved_state_counts_as_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        flushed: dict[int, int] = {}
        saves = []
        fsync, replace_file = os.fsync, os.replace

        def flush(descriptor: int) -> None:
            fsync(descriptor)
            facts = os.fstat(descriptor)
            flushed[facts.st_ino] = facts.st_size

        def rename(source: Path, target: Path) -> None:
            replace_file(source, target)
            if target.name == "resume.pt":
                for name in ("metrics.csv", "evaluations.csv"):
                    facts = (tmp_path / "run" / name).stat()
                    saves.append(flushed[facts.st_ino] == facts.st_size)

        monkeypatch.setattr(os, "fsync", flush)
        monkeypatch.setattr(os, "replace", rename)
        monkeypatch.setattr(training_loop, "SAVE_SECONDS", 0.0)
        training_loop.train(TOY, tmp_path / "run")
        assert len(saves) == 2 * 9 and all(saves)

    def test_an_existing_run_is_refused_and_untouched(self, uninterrupted: Path) -> None:
        before = {path: path.stat().st_mtime_ns for path in uninterrupted.rglob("*")}
        with pytest.raises(UserError, match="already holds a run"):
            training_loop.train(TOY, uninterrupted)
        assert before == {path: path.stat().st_mtime_ns for path in uninterrupted.rglob("*")}

    def test_a_non_finite_loss_keeps_the_last_good_model(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = replace(TOY, best_window=2)

        def poison(progress: Progress) -> None:
            if progress.iteration == 5:
                advantages = ppo.generalized_advantages
                monkeypatch.setattr(
                    ppo,
                    "generalized_advantages",
                    lambda *rollout, **known: advantages(*rollout, **known) * float("nan"),
                )

        with pytest.raises(RunFailedError, match=r"not finite.*smaller learning rate"):
            training_loop.train(config, tmp_path / "run", on_iteration=poison)
        load_model(tmp_path / "run")
        load_model(tmp_path / "run/saved_models/checkpoint_4.pth")
        assert len(read_rows(tmp_path / "run/metrics.csv")) == 5

    def test_a_full_disk_is_one_sentence_and_the_run_can_go_on(
        self, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run_dir = tmp_path / "run"

        def full(path: Path, model: Policy) -> None:
            if path.name == "checkpoint_4.pth":
                raise OSError(28, "No space left on device")
            save_model(path, model)

        monkeypatch.setattr(trainer, "save_model", full)
        monkeypatch.setattr(training_loop, "SAVE_SECONDS", 0.0)
        with pytest.raises(RunFailedError, match="No space left on device; make room"):
            training_loop.train(TOY, run_dir)
        monkeypatch.undo()
        training_loop.train(TOY, run_dir, resume=True)
        assert_same_run(run_dir, uninterrupted)

    def test_a_disk_that_is_full_for_the_table(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fill(progress: Progress) -> None:
            if progress.iteration == 2:
                log = logs[0]
                log.metrics._file.close()
                log.metrics._file = open("/dev/full", "w")  # noqa: SIM115

        logs: list[RunLog] = []
        init = RunLog.__init__

        def remember(self: RunLog, *args: Any, **options: Any) -> None:
            logs.append(self)
            init(self, *args, **options)

        monkeypatch.setattr(RunLog, "__init__", remember)
        with pytest.raises(RunFailedError, match="No space left on device; make room"):
            training_loop.train(TOY, tmp_path / "run", on_iteration=fill)

    def test_what_a_disk_says_is_passed_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(path: Path, state: object) -> None:
            raise OSError(errno.EROFS, "Read-only file system", str(path))

        monkeypatch.setattr("bipedal.resume.save_state", fail)
        with pytest.raises(RunFailedError) as caught:
            training_loop.train(replace(TOY, total_timesteps=256), tmp_path / "run")
        path = tmp_path / "run/saved_models/resume.pt"
        assert str(caught.value) == (
            f"cannot write to {tmp_path / 'run'}: {path}: Read-only file system; "
            "mend that and go on with --resume"
        )

    def test_an_error_of_the_callers_own_is_not_the_disks(self, tmp_path: Path) -> None:
        def fail(_: Progress) -> None:
            raise ConnectionError("the dashboard is down")

        with pytest.raises(ConnectionError):
            training_loop.train(TOY, tmp_path / "run", on_iteration=fail)

    def test_why_a_run_could_not_begin_is_said_though_it_cannot_be_discarded(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise UserError("there is no GPU")

        def fail(*_: object, **__: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(training_loop, "Trainer", refuse)
        monkeypatch.setattr(Path, "unlink", fail)
        with pytest.raises(UserError, match="there is no GPU"):
            training_loop.train(TOY, tmp_path / "run")

    def test_a_run_is_trained_by_one_process_at_a_time(self, tmp_path: Path) -> None:
        def start_another(_: Progress) -> None:
            with pytest.raises(UserError, match="being trained by another process"):
                training_loop.train(config, tmp_path / "run", resume=True)

        config = replace(TOY, total_timesteps=256)
        training_loop.train(config, tmp_path / "run", on_iteration=start_another)

    def test_a_directory_that_another_process_has_is_left_as_it_is(self, tmp_path: Path) -> None:
        """It may be about to write its own configuration."""
        run_dir = tmp_path / "run"
        run_dir.mkdir()
        with lock_run(run_dir), pytest.raises(UserError, match="being trained by another process"):
            training_loop.train(TOY, run_dir)
        assert not (run_dir / "config.json").exists()

    def test_models_of_something_else_are_not_overwritten(self, tmp_path: Path) -> None:
        (tmp_path / "run/saved_models").mkdir(parents=True)
        (tmp_path / "run/saved_models/best_model.pth").write_text("precious")
        with pytest.raises(UserError, match="already holds models"):
            training_loop.train(TOY, tmp_path / "run")

    def test_an_unwritable_directory_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(UserError, match="cannot write to"):
            training_loop.train(TOY, tmp_path / "file" / "run")


def test_another_seed_gives_another_run(uninterrupted: Path, tmp_path: Path) -> None:
    training_loop.train(replace(TOY, seed=1, total_timesteps=256), tmp_path / "run")
    ours, theirs = (
        without_clock(run / "metrics.csv")[0] for run in (tmp_path / "run", uninterrupted)
    )
    assert ours != theirs


def test_a_callers_threads_stay_as_they_were(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        training_loop.train(replace(TOY, total_timesteps=256), tmp_path / "run")
        assert torch.get_num_threads() == 3
        with pytest.raises(UserError):
            training_loop.train(TOY, tmp_path / "run")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
