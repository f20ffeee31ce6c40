"""A report of any run: whole, young or torn; one file that needs no other."""

from __future__ import annotations

import base64
import csv
import errno
import gc
import itertools
import json
import os
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
import torch

from bipedal.checkpoint import save_model
from bipedal.errors import RunFailedError, UserError
from bipedal.evaluation.episode import run_episode
from bipedal.live.share import script_hash
from bipedal.networks import Actor, Critic
from bipedal.normalizer import ObservationNormalizer
from bipedal.policy import Policy
from bipedal.report.report import write_report
from bipedal.report.training_curves import CHARTS
from bipedal.walker import ACTION_DIM, OBSERVATION_DIM

METRICS = (
    "charts/episodic_return",
    "charts/episodic_return_mean",
    "charts/episodic_length",
    "charts/distance",
    "charts/fall_rate",
    "charts/policy_learning_rate",
    "charts/critic_learning_rate",
    "charts/std",
    "charts/SPS",
    "losses/policy_loss",
    "losses/value_loss",
    "losses/entropy",
    "losses/approx_kl",
    "losses/clip_fraction",
    "losses/explained_variance",
    "time/elapsed",
)
GAIT = ("duty_factor", "flight_fraction", "double_support_fraction", "cost_of_transport")
SECTIONS = (
    "Learning curve",
    "The walk",
    "Gait diagram",
    "Gait over training",
    "Training",
    "Settings",
)
PLOTS = ("learning_curve", "gait_diagram", "gait_over_training", *(c[0] for c in CHARTS))
VOID = {"meta", "path", "rect", "use"}


class Page(HTMLParser):
    """Reads a page and insists that its elements are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def write_csv(path: Path, header: list[str], rows: list[list[object]]) -> None:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def make_run(run_dir: Path, iterations: int = 30) -> Path:
    """A run directory as training leaves it, with a random policy for its best model."""
    rng = np.random.default_rng(0)
    run_dir.mkdir()
    rows: list[list[object]] = []
    for iteration in range(1, iterations + 1):
        numbers: list[object] = list(rng.random(len(METRICS)))
        if iteration % 3 == 0:
            numbers[0] = ""  # no episode ended
        rows.append([iteration, 8192 * iteration, *numbers])
    write_csv(run_dir / "metrics.csv", ["iteration", "timesteps", *METRICS], rows)
    classes = ("fallen", "kneeling/crawling", "walking", "walking")
    evaluations: list[list[object]] = [
        [10 * i, 81920 * i, 100.0 * i, 5.0, 2.5, name, 0.6, 0.1, 0.2, "" if i == 1 else 0.9]
        for i, name in enumerate(classes, start=1)
    ]
    columns = ["iteration", "timesteps", "mean_return", "std_return", "mean_speed", "gait/class"]
    columns += [f"gait/{name}" for name in GAIT]
    write_csv(run_dir / "evaluations.csv", columns, evaluations)
    config = {"env_id": "BipedalWalker-v3", "preset": "<b>&", "seed": 1, "total_timesteps": 250_000}
    everything = {
        "config": {**config, "hidden": [64, 64], "target_kl": None},
        "versions": {"torch": "2.13.0"},
        "hardware": {"cpu": "Some <script>CPU</script>", "cores": 2},
    }
    (run_dir / "config.json").write_text(json.dumps(everything))
    score = {"episodes": 100, "mean_return": 312.34, "solved": True, "gait": {"class": "walking"}}
    (run_dir / "score.json").write_text(json.dumps(score))
    return run_dir


def add_best_model(run_dir: Path) -> Policy:
    generator = torch.Generator().manual_seed(0)
    model = Policy(
        Actor(OBSERVATION_DIM, ACTION_DIM, generator=generator),
        Critic(OBSERVATION_DIM, generator=generator),
        ObservationNormalizer((OBSERVATION_DIM,)),
        info={"env_id": "BipedalWalker-v3"},
    )
    (run_dir / "saved_models").mkdir()
    save_model(run_dir / "saved_models" / "best_model.pth", model)
    return model


@pytest.fixture(scope="module")
def full_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Policy, str]:
    """A run with everything, its model, its report."""
    run_dir = make_run(tmp_path_factory.mktemp("runs") / "a <run> & co")
    model = add_best_model(run_dir)
    path = write_report(run_dir)
    assert path == run_dir / "report.html"
    return run_dir, model, path.read_text(encoding="utf-8")


@pytest.fixture
def few_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out most of the charts of training: drawing takes seconds."""
    monkeypatch.setattr("bipedal.report.figures.CHARTS", CHARTS[:1])


def test_report_is_one_well_formed_page_with_every_section(
    full_run: tuple[Path, Policy, str],
) -> None:
    run_dir, _, text = full_run
    page = Page(text)
    for title in SECTIONS:
        assert f"<h2>{title}</h2>" in text
    for _, title, _ in CHARTS:
        assert f"<h3>{title}</h3>" in text
    assert page.tags.count("svg") == len(PLOTS)
    for label in (
        "Score312.3solved · mean over 100 fresh episodes",
        "Best evaluation",
        "400.0",
        "above 300 · at 0.33 M",
        "0.25 M",
        "walking",
        "Hull height",
        "64, 64",
    ):
        assert label in page.text
    assert sorted(path.stem for path in (run_dir / "plots").iterdir()) == sorted(PLOTS)


def test_report_needs_nothing_from_outside(full_run: tuple[Path, Policy, str]) -> None:
    _, _, text = full_run
    page = Page(text)
    assert "http:" not in text and "https:" not in text
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert not {"link", "script", "image", "object"} & set(page.tags)
    assert "@import" not in text
    policies = [
        attributes["content"]
        for tag, attributes in page.attributes
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    (frame,) = (attributes for tag, attributes in page.attributes if tag == "iframe")
    assert frame["sandbox"] == "allow-scripts"
    assert frame["srcdoc"] is not None
    own = "default-src 'none'; style-src 'unsafe-inline'; media-src data:; img-src data:"
    assert policies == [f"{own}; script-src {script_hash(frame['srcdoc'])} 'wasm-unsafe-eval'"]
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))


def test_identifiers_on_the_page_are_unique(full_run: tuple[Path, Policy, str]) -> None:
    identifiers = re.findall(r'\bid="([^"]*)"', full_run[2])
    assert len(identifiers) == len(set(identifiers))


def test_the_page_can_be_read_by_those_who_do_not_see_it(
    full_run: tuple[Path, Policy, str],
) -> None:
    page = Page(full_run[2])
    assert ("html", {"lang": "en"}) in page.attributes
    assert page.tags.count("main") == page.tags.count("h1") == 1
    levels = [int(tag[1]) for tag in page.tags if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    for tag, attributes in page.attributes:
        if tag in ("svg", "video") or "tabindex" in attributes:
            assert attributes["aria-label"]
        if tag == "svg":
            assert attributes["role"] == "img"
        if tag == "th":
            assert attributes["scope"] == "row"


def test_text_is_escaped(full_run: tuple[Path, Policy, str]) -> None:
    _, _, text = full_run
    assert "<h1>a &lt;run&gt; &amp; co</h1>" in text
    assert "preset &lt;b&gt;&amp;" in text
    assert "Some &lt;script&gt;CPU" in text


def test_video_and_numbers_are_of_the_same_episode(full_run: tuple[Path, Policy, str]) -> None:
    run_dir, model, text = full_run
    match = re.search(r'src="data:video/mp4;base64,([^"]+)"', text)
    assert match is not None
    data = base64.b64decode(match[1], validate=True)
    video = run_dir / "videos" / "best_model.mp4"
    assert data == video.read_bytes()
    episode = run_episode(model.act, "BipedalWalker-v3", 0)
    assert imageio_ffmpeg.count_frames_and_secs(video)[0] == episode.length
    caption = f"seed 0: return {episode.episodic_return:.1f}, {episode.length} timesteps"
    assert caption in Page(text).text


def test_the_report_says_how_to_see_the_model_live(full_run: tuple[Path, Policy, str]) -> None:
    run_dir, _, text = full_run
    assert f"bipedal watch '{run_dir}'" in Page(text).text


@pytest.mark.usefixtures("few_charts")
def test_progress_is_told_of_frames_and_figures(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "run")
    model = add_best_model(run_dir)
    seen: dict[str, tuple[int, int]] = {}

    def show(description: str, items: Iterable[Any], total: int) -> Iterator[Any]:
        for count, item in enumerate(items, start=1):
            seen[description] = (count, total)
            yield item

    write_report(run_dir, progress=show)
    length = run_episode(model.act, "BipedalWalker-v3", 0).length
    assert seen["filming the best model"] == (length, 1600)
    count, total = seen["drawing the figures"]
    assert count == total


@pytest.mark.usefixtures("few_charts")
@pytest.mark.parametrize("fault", ["no ffmpeg", "no room"])
def test_a_report_is_made_where_the_video_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    run_dir = make_run(tmp_path / "run")
    model = add_best_model(run_dir)
    if fault == "no ffmpeg":
        monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "missing"))
    else:
        (run_dir / "videos").touch()
    text = write_report(run_dir).read_text(encoding="utf-8")
    page = Page(text)
    assert "There is no video: cannot write" in page.text
    assert "Gait diagram" in page.text
    assert "video" not in page.tags
    episode = run_episode(model.act, "BipedalWalker-v3", 0)
    assert f"return {episode.episodic_return:.1f}, {episode.length} timesteps" in page.text


@pytest.mark.usefixtures("few_charts")
def test_young_run_without_evaluations_and_model(tmp_path: Path) -> None:
    """What is not there yet is left out, not announced."""
    run_dir = make_run(tmp_path / "young", iterations=1)
    for name in ("evaluations.csv", "config.json", "score.json"):
        (run_dir / name).unlink()
    text = write_report(run_dir).read_text(encoding="utf-8")
    Page(text)
    assert "has not saved a best model yet" in text
    for title in ("Gait diagram", "Gait over training", "Settings", "Obstacles"):
        assert title not in text
    assert "<dt>Score</dt>" not in text
    assert not (run_dir / "videos").exists()


@pytest.mark.usefixtures("few_charts")
def test_evaluations_without_gait_leave_the_section_out(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "run")
    (run_dir / "evaluations.csv").write_text("timesteps,mean_return,mean_speed\n81920,100,1.5\n")
    text = write_report(run_dir).read_text(encoding="utf-8")
    assert "Best evaluation" in text
    assert "Gait over training" not in text
    assert "No data" not in text


@pytest.mark.usefixtures("few_charts")
@pytest.mark.parametrize("content", ["", "iteration,timesteps\n", "iteration,timesteps,char"])
def test_run_that_has_not_finished_an_iteration(tmp_path: Path, content: str) -> None:
    run_dir = make_run(tmp_path / "new")
    (run_dir / "metrics.csv").write_text(content)
    (run_dir / "evaluations.csv").write_text(content)
    Page(write_report(run_dir).read_text(encoding="utf-8"))


@pytest.mark.usefixtures("few_charts")
def test_broken_model_is_left_out_and_said(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "run")
    (run_dir / "saved_models").mkdir()
    (run_dir / "saved_models" / "best_model.pth").write_bytes(b"<not a model>")
    text = write_report(run_dir).read_text(encoding="utf-8")
    Page(text)
    assert "The best model could not be shown" in text


def test_directory_that_is_no_run_is_the_users_mistake(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UserError, match=r"no metrics\.csv"):
            write_report(path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_may_not_be_read_is_not_taken_for_none(forbidden: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*metrics\.csv: Permission denied"):
        write_report(forbidden)


@pytest.mark.usefixtures("few_charts")
def test_a_report_is_made_where_no_episode_can_be_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RunFailedError("cannot compile the walker's physics")

    run_dir = make_run(tmp_path / "run")
    add_best_model(run_dir)
    monkeypatch.setattr("bipedal.report.report.record_episode", fail)
    monkeypatch.setattr("bipedal.report.report.run_episode", fail)
    text = write_report(run_dir).read_text(encoding="utf-8")
    assert "The best model could not be shown: cannot compile" in Page(text).text


def test_run_that_cannot_be_written_is_the_users_mistake(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "run")
    (run_dir / "plots").touch()
    with pytest.raises(UserError, match=r"cannot write the report of .*: File exists$"):
        write_report(run_dir)
    assert not (run_dir / "report.html").exists()


@pytest.mark.usefixtures("few_charts")
def test_a_disk_that_fills_up_is_said_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir = make_run(tmp_path / "run", iterations=2)

    def fail(*files: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("bipedal.report.report.atomic_write", fail)
    with pytest.raises(RunFailedError, match=r"report of .*: No space left on device$"):
        write_report(run_dir)


@pytest.mark.usefixtures("few_charts")
def test_many_reports_from_one_process_keep_no_figures(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "run", iterations=2)
    write_report(run_dir)
    gc.collect()
    before = len(gc.get_objects())
    write_report(run_dir)
    gc.collect()
    assert len(gc.get_objects()) - before < 1000  # a figure is thousands of them
