"""Trials that end well, badly or not at all, and studies that are cut off and resumed."""

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bipedal.cli import main
from bipedal.errors import RunFailedError, UserError
from bipedal.studies import find_study
from bipedal.studies.configuration import fingerprint, settings_of
from bipedal.studies.executors import LocalExecutor, RayExecutor, TrialFailedError
from bipedal.studies.page import write_page
from bipedal.studies.records import Collected, Folders, collect, folders_of
from bipedal.studies.runner import Plan, open_plan, rewrite_page, run_plan, run_study
from bipedal.studies.study import Measure, Result, Row, Study, Trial
from bipedal.tables import read_table

ARMS = ("the notebook's recipe", "no LayerNorm", "entropy bonus of 0.01")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Fake:
    """An executor that answers at once, and fails where it is told to."""

    def __init__(self, jobs: int = 1) -> None:
        self.jobs = jobs
        self.ran: list[tuple[str, int]] = []
        self.failing: set[tuple[str, int]] = set()
        self.stop_at: int | None = None

    def run(self, name: str, trial: Trial) -> dict[str, Any]:
        if len(self.ran) == self.stop_at:
            raise KeyboardInterrupt
        self.ran.append((trial.arm, trial.seed))
        if (trial.arm, trial.seed) in self.failing:
            raise TrialFailedError("the ground opened")
        return {
            "rows": [{"condition": trial.arm, "return": float(trial.seed)}],
            "curve": [{"timesteps": 1, "seconds": 1.0, "return": 2.0}],
            "seconds": 1.0,
            "configuration": fingerprint(
                settings_of(STUDY, trial.arm, trial.timesteps, trial.cores)
            ),
        }

    def close(self) -> None: ...


def unused(trial: Trial) -> Result:
    raise AssertionError("a fake executor runs nothing")


EPOCHS = {"a": 10, "b": 5}
STUDY = Study(
    name="toy",
    title="A toy",
    claimed="It is so.",
    method="Nothing.",
    arms=("a", "b"),
    trial=unused,
    configure=lambda arm, timesteps: {"train": {"epochs": EPOCHS[arm]}},
    timesteps=10,
    seeds=2,
    measures=(Measure("return", "return"),),
    claims=(),
)
FOLDERS = Folders(Path("out"), Path("out/trials"))


def make_plan(study: Study = STUDY, **changes: Any) -> Plan:
    """A new plan: it looks at the configuration once."""
    values = {"arms": study.arms, "seeds": 2, "timesteps": 10, **changes}
    return Plan(study, FOLDERS, **values)


PLAN = make_plan()
EVERY = [("a", 1000), ("b", 1000), ("a", 1001), ("b", 1001)]


def test_every_arm_meets_every_seed() -> None:
    fake = Fake()
    with open_plan(PLAN, resume=False):
        run_plan(PLAN, fake)
    assert fake.ran == EVERY
    rows, points, _ = collect(STUDY, FOLDERS)
    assert [(row["arm"], row["seed"], row["return"]) for row in rows] == [
        (arm, seed, seed) for arm, seed in EVERY
    ]
    assert {row["status"] for row in rows} == {"done"}
    assert len(points) == 4


@pytest.mark.parametrize("done", range(4))
def test_a_study_cut_off_anywhere_goes_on_with_the_rest(done: int) -> None:
    fake = Fake()
    fake.stop_at = done
    with open_plan(PLAN, resume=False), pytest.raises(KeyboardInterrupt):
        run_plan(PLAN, fake)
    assert fake.ran == EVERY[:done]
    assert len(collect(STUDY, FOLDERS).rows) == done
    again = Fake()
    said: list[str] = []
    with open_plan(PLAN, resume=True):
        run_plan(PLAN, again, said.append)
    assert again.ran == EVERY[done:]
    assert len(collect(STUDY, FOLDERS).rows) == 4
    assert said[-1].startswith("[4/4]")


def test_a_failure_is_reported_and_tried_again_when_resumed() -> None:
    fake = Fake()
    fake.failing = {("b", 1000)}
    for resume in (False, True):
        with open_plan(PLAN, resume=resume):
            run_plan(PLAN, fake)
    assert fake.ran == [*EVERY, ("b", 1000)]
    row = collect(STUDY, FOLDERS).rows[1]
    assert row["status"] == "failed"
    assert row["error"] == "the ground opened"
    assert row["attempts"] == 2
    fake.failing = set()
    with open_plan(PLAN, resume=True):
        run_plan(PLAN, fake)
    row = collect(STUDY, FOLDERS).rows[1]
    assert (row["status"], row["attempts"], row["return"]) == ("done", 3, 1000.0)


def test_trials_that_are_there_are_not_run_over() -> None:
    with open_plan(PLAN, resume=False):
        run_plan(PLAN, Fake())
    with pytest.raises(UserError, match="--resume"), open_plan(PLAN, resume=False):
        pass


def run_all(plan: Plan, executor: Fake | None = None, *, resume: bool = False) -> Fake:
    executor = executor or Fake()
    with open_plan(plan, resume=resume):
        run_plan(plan, executor)
    return executor


@pytest.mark.parametrize(
    ("changes", "difference"),
    [({"timesteps": 11}, "a: timesteps 10, now 11"), ({"cores": 2}, "a: cores 1, now 2")],
)
def test_trials_of_another_budget_are_not_mixed(changes: dict[str, Any], difference: str) -> None:
    run_all(PLAN)
    with pytest.raises(UserError, match="cannot be mixed") as caught:
        run_all(make_plan(**changes), resume=True)
    assert difference in str(caught.value)


def test_trials_of_another_preset_are_not_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same version and budget, another value in one arm."""
    run_all(make_plan(arms=("b",)))
    monkeypatch.setitem(EPOCHS, "b", 6)
    for arms in (("b",), ("a",)):
        with pytest.raises(UserError, match=r"b: train\.epochs 5, now 6"):
            run_all(make_plan(arms=arms), resume=True)
    assert {row["arm"] for row in collect(STUDY, FOLDERS).rows} == {"b"}


def test_another_commit_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for commit, resume in (("abc", False), (None, True), ("def+", True)):
        monkeypatch.setattr("bipedal.studies.runner.git_commit", lambda at=commit: at)
        run_all(make_plan(seeds=1 + 2 * resume, arms=("a",)), resume=resume)
    assert [row["commit"] for row in collect(STUDY, FOLDERS).rows] == ["abc", None, None]
    assert len({row["configuration"] for row in collect(STUDY, FOLDERS).rows}) == 1


def test_a_trial_that_ran_with_something_else_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The source was edited meanwhile, or a cluster's machine has other packages."""
    plan = make_plan(seeds=1)
    with open_plan(plan, resume=False):
        monkeypatch.setitem(EPOCHS, "a", 3)
        run_plan(plan, Fake())
    other, same = collect(STUDY, FOLDERS).rows
    assert (other["status"], same["status"]) == ("failed", "done")
    assert "other packages or source" in other["error"]


def test_records_of_before_configurations_were_known_stay_out() -> None:
    run_all(PLAN)
    path = FOLDERS.trials / "a" / "1000" / "trial.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({name: record[name] for name in ("status", "attempts", "rows")}))
    with pytest.raises(UserError, match="does not say with which configuration"):
        run_all(make_plan(), resume=True)


def test_arms_of_an_earlier_call_stay_on_the_page() -> None:
    with open_plan(PLAN, resume=False):
        run_plan(PLAN, Fake())
    one = make_plan(arms=("b",), seeds=1)
    with open_plan(one, resume=True):
        run_plan(one, Fake())
    assert len(collect(STUDY, FOLDERS).rows) == 4


def test_a_failed_trial_counts_for_all_its_conditions() -> None:
    study = dataclasses.replace(STUDY, arms=("a",), conditions=("early", "late"))
    plan = make_plan(study, seeds=1)
    fake = Fake()
    fake.failing = {("a", 1000)}
    with open_plan(plan, resume=False):
        run_plan(plan, fake)
    rows = collect(study, FOLDERS).rows
    assert [(row["condition"], row["status"]) for row in rows] == [
        ("early", "failed"),
        ("late", "failed"),
    ]


def publish() -> Collected:
    """Make the tables and remove what they were made of."""
    found = collect(STUDY, FOLDERS)
    write_page(STUDY, FOLDERS.page, found, {"command": "bipedal study toy"})
    shutil.rmtree(FOLDERS.trials)
    return found


def test_published_trials_are_not_run_again_where_their_runs_are_gone() -> None:
    fake = Fake()
    fake.failing = {("b", 1000)}
    run_all(PLAN, fake)
    published = publish()
    longer = make_plan(seeds=3)
    again = Fake()
    with open_plan(longer, resume=True):
        assert collect(STUDY, FOLDERS) == published
        run_plan(longer, again)
    assert again.ran == [("b", 1000), ("a", 1002), ("b", 1002)]
    assert [row["attempts"] for row in collect(STUDY, FOLDERS).rows] == [1, 2, 1, 1, 1, 1]


def test_published_trials_of_another_configuration_stay_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_all(PLAN)
    publish()
    monkeypatch.setitem(EPOCHS, "a", 3)
    for _ in range(2):
        with pytest.raises(UserError, match=r"out holds .*a: train\.epochs 10, now 3") as caught:
            run_all(make_plan(), resume=True)
        assert "\n" not in str(caught.value)
    assert not collect(STUDY, FOLDERS).rows


def test_published_trials_without_a_configuration_stay_out() -> None:
    run_all(PLAN)
    publish()
    (FOLDERS.page / "configurations.json").unlink()
    with pytest.raises(UserError, match="does not say with which configuration"):
        run_all(make_plan(), resume=True)


def test_published_trials_of_an_arm_that_is_gone_stay_out() -> None:
    run_all(PLAN)
    publish()
    fewer = dataclasses.replace(STUDY, arms=("a",))
    with pytest.raises(UserError, match="cannot be mixed"):
        run_all(make_plan(fewer), resume=True)


def test_published_tables_are_not_written_over() -> None:
    run_all(PLAN)
    publish()
    with pytest.raises(UserError, match="out already holds trials: add --resume"):
        run_all(make_plan())


def test_a_page_is_made_anew_from_its_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bipedal.studies.runner.find_study", lambda name: STUDY)
    run_all(PLAN)
    publish()
    before = {path.name: path.read_bytes() for path in FOLDERS.page.iterdir()}
    for name in ("README.md", "conditions.png", "curves.png"):
        (FOLDERS.page / name).unlink()
    assert rewrite_page("toy", FOLDERS.page) == FOLDERS.page / "README.md"
    assert {path.name: path.read_bytes() for path in FOLDERS.page.iterdir()} == before
    with pytest.raises(UserError, match="elsewhere holds no tables"):
        rewrite_page("toy", Path("elsewhere"))


def test_a_study_writes_below_what_it_is_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folders_of("toy", Path("x/y")) == (Path("x/y"), Path("x/y/trials"))
    anywhere = (Path("runs/studies/toy"), Path("runs/studies/toy/trials"))
    assert folders_of("toy") == anywhere
    monkeypatch.setattr("bipedal.studies.records.PROJECT", here)
    assert folders_of("toy") == anywhere  # site-packages have no pyproject.toml
    (here / "pyproject.toml").touch()
    assert folders_of("toy") == (Path("results/studies/toy"), Path("runs/studies/toy"))


def test_two_processes_do_not_run_one_study() -> None:
    with (
        open_plan(PLAN, resume=False),
        pytest.raises(UserError, match="another process"),
        open_plan(PLAN, resume=True),
    ):
        pass


def test_a_damaged_record_is_told() -> None:
    with open_plan(PLAN, resume=False):
        run_plan(PLAN, Fake())
    (FOLDERS.trials / "a" / "1000" / "trial.json").write_text("{")
    with pytest.raises(RunFailedError, match="damaged"):
        collect(STUDY, FOLDERS)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"name": "walking"}, "unknown study 'walking'"),
        ({"seeds": 0}, "--seeds must be at least 1"),
        ({"jobs": 0}, "--jobs must be at least 1"),
        ({"cores": 0}, "--cores must be at least 1"),
        ({"first_seed": -1}, "--first-seed must be 0 or more"),
        ({"timesteps": -5}, "--timesteps must be at least 1"),
        ({"arms": ("other",)}, "has no arm 'other'"),
    ],
)
def test_what_cannot_be_asked_gets_a_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        run_study(**{"name": "kneeling", **options})
    assert not Path("runs").exists()


def test_a_page_alone_takes_no_other_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "kneeling", "--page-only", "--resume"]) == 2
    assert "--page-only goes with --out and nothing else" in capsys.readouterr().err
    assert main(["study", "kneeling", "--page-only", "--out", "nowhere"]) == 2
    assert "nowhere holds no tables of a study" in capsys.readouterr().err


def test_the_help_has_a_line_an_option(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["study", "--help"]) == 0
    lines = capsys.readouterr().out.split("Options:\n")[1].splitlines()
    name, *options = [line for line in lines if not line.startswith("    ")]
    assert name.startswith("  NAME")
    assert len(options) == len(lines) - 2  # the names of the studies take two
    assert all(line.startswith("  --") for line in options), options


def test_a_trial_that_raises_fails_with_its_last_words() -> None:
    trial = Trial("no such arm", 1000, 10, Path("t"))
    trial.folder.mkdir()
    executor = LocalExecutor(1)
    with pytest.raises(TrialFailedError, match="exit code 1: KeyError: 'no such arm'"):
        executor.run("kneeling", trial)
    executor.close()


# Real trials --------------------------------------------------------------------------------------


def study_command(*more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "bipedal", "study", "kneeling", "--timesteps", "40960", *more),
    ]


def comparable(rows: Sequence[Row]) -> list[Row]:
    """All but the clock, how often it took, and a source that somebody edits meanwhile."""
    apart = ("seconds", "attempts", "commit")
    return [{name: row[name] for name in row if name not in apart} for row in rows]


def finished(folder: Path) -> dict[Path, str]:
    """Records of the trials that have ended well."""
    texts = {path: path.read_text() for path in folder.glob("*/*/trial.json")}
    return {path: text for path, text in texts.items() if '"done"' in text}


def wait_until_no_trial_runs(here: Path) -> None:
    """Trials do not outlive their study."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        running = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (process / "cmdline").read_bytes()
                if b"bipedal.studies.trial" in command and (process / "cwd").readlink() == here:
                    running.append(process)
        if not running:
            return
        time.sleep(0.1)
    raise AssertionError(f"still running: {running}")


def test_a_study_survives_a_kill_and_ray_gives_the_same_rows(here: Path) -> None:
    """Whole path: cut off with SIGKILL, resumed, and once more on two Ray workers."""
    arms = ARMS[:2]
    more = ("--seeds", "1", "--jobs", "1", "--arms", *arms)
    process = subprocess.Popen(study_command(*more), stderr=subprocess.DEVNULL)
    folder = Path("runs/studies/kneeling/trials")
    deadline = time.monotonic() + 120
    while not finished(folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = finished(folder)
    assert len(done) == 1
    wait_until_no_trial_runs(here)

    refused = subprocess.run(study_command(*more), capture_output=True, text=True)
    assert refused.returncode == 2
    assert "--resume" in refused.stderr
    resumed = subprocess.run(study_command(*more, "--resume"), capture_output=True, text=True)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == "runs/studies/kneeling/README.md\n"
    assert "1 of 2 trials are done already" in resumed.stderr
    assert {path: text for path, text in finished(folder).items() if path in done} == done
    local = read_table(folder.parent / "trials.csv")
    assert [row["status"] for row in local] == ["done"] * 2
    summary = json.loads((folder.parent / "summary.json").read_text())
    assert list(summary["conditions"]) == list(arms)

    plan = make_plan(find_study("kneeling"), arms=arms, seeds=1, timesteps=40_960)
    executor = RayExecutor("local", 2)
    try:
        with open_plan(plan, resume=False):
            run_plan(plan, executor)
    finally:
        executor.close()
    distributed = collect(plan.study, FOLDERS).rows
    assert comparable(distributed) == comparable(local)


def test_a_trial_takes_what_it_started_with_it(here: Path) -> None:
    """A trial that has started a process of its own is killed: so is that one."""
    sleeper = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', SLEEP]).wait()"
    sleep = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-c", sleeper.replace("SLEEP", repr(sleep))], start_new_session=True
    )
    while not Path("pid").exists() or not Path("pid").read_text():
        time.sleep(0.02)
    executor = LocalExecutor(1)
    executor._running.add(process)
    executor.close()
    process.wait(timeout=10)
    started = Path(f"/proc/{Path('pid').read_text()}/stat")
    deadline = time.monotonic() + 10
    while started.exists() and ") Z" not in started.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not started.exists() or ") Z" in started.read_text()


def test_ctrl_c_ends_a_study_and_its_trials(here: Path) -> None:
    process = subprocess.Popen(
        study_command("--seeds", "1", "--jobs", "2"),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell starts background jobs with SIGINT ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    folder = Path("runs/studies/kneeling/trials")
    deadline = time.monotonic() + 120
    while not list(folder.glob("*/*/run/config.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=90)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "bipedal: interrupted"
    wait_until_no_trial_runs(here)
    for path in folder.glob("*/*/trial.json"):
        assert json.loads(path.read_text())["status"] in ("done", "running")
