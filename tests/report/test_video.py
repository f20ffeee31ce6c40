"""A recording is a real video of the right episode, or nothing at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image, ImageSequence

from bipedal.engines.reference import make_env
from bipedal.errors import RunFailedError, UserError
from bipedal.evaluation.episode import run_episode
from bipedal.rendering.canvas import Frame
from bipedal.report.video import FPS, GIF_SIZE, GIF_STRIDE, record_episode
from bipedal.walker import FloatArray

ENV_ID = "BipedalWalker-v3"


def sway(observation: FloatArray) -> FloatArray:
    """A policy that depends on what it sees."""
    action: FloatArray = np.tanh(observation[[4, 6, 9, 11]] + 0.3).astype(np.float32)
    return action


def play(env_id: str, seed: int, length: int) -> float:
    """Return of the first timesteps of an episode, without pictures."""
    env = make_env(env_id)
    observation, _ = env.reset(seed=seed)
    total = 0.0
    for _ in range(length):
        observation, reward, *_ = env.step(sway(observation))
        total += float(reward)
    return total


def test_mp4_has_one_frame_a_timestep_in_real_time(tmp_path: Path) -> None:
    episode = record_episode(sway, ENV_ID, 3, tmp_path / "new" / "dir" / "walk.mp4", 0.5)
    assert (episode.length, episode.seconds) == (25, 0.5)
    assert not episode.trajectory.terminated and not episode.trajectory.truncated
    assert episode.path == tmp_path / "new" / "dir" / "walk.mp4"
    assert imageio_ffmpeg.count_frames_and_secs(episode.path) == (25, pytest.approx(0.5))
    frames = imageio_ffmpeg.read_frames(episode.path)
    meta = next(frames)
    assert meta["size"] == (600, 400)
    assert meta["fps"] == FPS == 50
    assert (meta["codec"], meta["pix_fmt"][:7]) == ("h264", "yuv420p")


@pytest.mark.reference
def test_mp4_shows_what_the_environment_draws(tmp_path: Path) -> None:
    path = record_episode(sway, ENV_ID, 3, tmp_path / "walk.mp4", 0.2).path
    env = make_env(ENV_ID, render_mode="rgb_array")
    observation, _ = env.reset(seed=3)
    frames = imageio_ffmpeg.read_frames(path)
    next(frames)
    for data in frames:
        observation, *_ = env.step(sway(observation))
        shown = np.frombuffer(data, dtype=np.uint8).reshape(400, 600, 3).astype(int)
        drawn = np.asarray(env.render()).astype(int)
        assert np.abs(shown - drawn).mean() < 4  # H.264 is lossy
    env.close()


@pytest.mark.reference
@pytest.mark.parametrize("name", ["walk.mp4", "walk.gif"])
def test_encodes_the_frames_of_gymnasium(tmp_path: Path, name: str) -> None:
    frames: list[Frame] = []

    def keep(stream: Iterable[Frame], total: int) -> Iterator[Frame]:
        for frame in stream:
            frames.append(frame.copy())
            yield frame

    record_episode(sway, ENV_ID, 3, tmp_path / name, 0.2, progress=keep)
    with make_env(ENV_ID, render_mode="rgb_array") as env:
        observation, _ = env.reset(seed=3)
        for frame in frames:
            observation, *_ = env.step(sway(observation))
            np.testing.assert_array_equal(frame, np.asarray(env.render()))
    assert len(frames) == 10


@pytest.mark.reference
def test_plays_the_seeded_episode_to_its_end(tmp_path: Path) -> None:
    episode = record_episode(sway, ENV_ID, 5, tmp_path / "walk.mp4")
    assert episode.trajectory.terminated
    assert episode.episodic_return == pytest.approx(play(ENV_ID, 5, episode.length))
    assert imageio_ffmpeg.count_frames_and_secs(episode.path)[0] == episode.length


def test_gif_is_animated_small_and_in_real_time(tmp_path: Path) -> None:
    episode = record_episode(sway, "BipedalWalkerHardcore-v3", 3, tmp_path / "walk.GIF", 1.0)
    with Image.open(episode.path) as image:
        assert image.size == GIF_SIZE
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(image)]
    assert 1 < len(durations) <= episode.length / GIF_STRIDE
    assert sum(durations) == pytest.approx(1000 * episode.seconds, abs=40)
    assert episode.path.stat().st_size < 200_000


@pytest.mark.parametrize("name", ["walk.mp4", "walk.gif"])
def test_failure_leaves_nothing_new_and_the_old_video_whole(tmp_path: Path, name: str) -> None:
    timesteps = 0

    def fail(observation: FloatArray) -> FloatArray:
        nonlocal timesteps
        timesteps += 1
        if timesteps == 9:
            raise RuntimeError("the policy broke")
        return sway(observation)

    with pytest.raises(RuntimeError, match="the policy broke"):
        record_episode(fail, ENV_ID, 3, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / name).write_bytes(b"old")
    timesteps = 0
    with pytest.raises(RuntimeError, match="the policy broke"):
        record_episode(fail, ENV_ID, 3, tmp_path / name)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_progress_sees_every_frame_and_the_most_there_can_be(tmp_path: Path) -> None:
    seen = []

    def show(frames: Iterable[Frame], total: int) -> Iterator[Frame]:
        for frame in frames:
            seen.append(total)
            yield frame

    episode = record_episode(sway, ENV_ID, 5, tmp_path / "walk.mp4", progress=show)
    assert seen == [1600] * episode.length
    seen.clear()
    record_episode(sway, ENV_ID, 5, tmp_path / "walk.mp4", 0.2, progress=show)
    assert seen == [10] * 10


def test_the_trajectory_is_that_of_the_episode_without_a_camera(tmp_path: Path) -> None:
    filmed = record_episode(sway, ENV_ID, 5, tmp_path / "walk.mp4")
    plain = run_episode(sway, ENV_ID, 5)
    assert plain.trajectory is not None
    assert filmed.episodic_return == pytest.approx(plain.episodic_return)
    np.testing.assert_array_equal(filmed.trajectory.hull_position, plain.trajectory.hull_position)
    assert filmed.trajectory.fell == plain.trajectory.fell


FAKE_FFMPEG = """#!/bin/sh
head -c 3000000 > /dev/null
echo "[vost#0:0 @ 0x5581] {words}" >&2
exit 1
"""


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("Unknown encoder 'libx264'", "this ffmpeg cannot encode H.264"),
        ("Error writing trailer: No space left on device", ": No space left on device"),
        ("something else", "ffmpeg failed: something else"),
        ("", "ffmpeg failed: no reason given"),
    ],
)
def test_what_ffmpeg_says_becomes_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: str,
    sentence: str,
) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text(FAKE_FFMPEG.format(words=words))
    program.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    out = tmp_path / "new" / "walk.mp4"
    with pytest.raises(RunFailedError) as failure:
        record_episode(sway, ENV_ID, 3, out, 0.5)
    message = str(failure.value)
    assert message.startswith(f"cannot write '{out}': ")
    assert sentence in message
    assert "\n" not in message and "libx264 -crf" not in message and "0x5581" not in message
    assert capfd.readouterr().err == ""
    assert list(out.parent.iterdir()) == []


def test_no_ffmpeg_is_said_and_a_gif_needs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "missing"))
    with pytest.raises(RunFailedError, match="ffmpeg does not start: No such file"):
        record_episode(sway, ENV_ID, 3, tmp_path / "walk.mp4", 0.1)

    def find_none() -> str:
        raise RuntimeError("No ffmpeg exe could be found.")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", find_none)
    with pytest.raises(RunFailedError, match=r"there is no ffmpeg here.*\.gif"):
        record_episode(sway, ENV_ID, 3, tmp_path / "walk.mp4", 0.1)
    record_episode(sway, ENV_ID, 3, tmp_path / "walk.gif", 0.1)
    assert [path.name for path in tmp_path.iterdir()] == ["walk.gif"]


def test_a_full_disk_is_said_of_a_gif_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(RunFailedError, match=r"walk\.gif': No space left on device$"):
        record_episode(sway, ENV_ID, 3, tmp_path / "walk.gif", 0.1)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs to mount a small disk, which only root may")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("name", ["walk.mp4", "walk.gif"])
def test_a_disk_that_is_really_full(
    small_disk: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RunFailedError) as failure:
        record_episode(sway, ENV_ID, 3, small_disk / name, 1.0)
    assert str(failure.value) == f"cannot write '{small_disk / name}': No space left on device"
    assert capfd.readouterr().err == ""
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("name", ["walk", "walk.avi", "walk.mp4.txt"])
def test_unknown_suffix_is_the_users_mistake(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"must end in \.mp4 or \.gif"):
        record_episode(sway, ENV_ID, 3, tmp_path / "sub" / name)
    assert list(tmp_path.iterdir()) == []


def test_place_that_cannot_be_written_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "taken.mp4").mkdir()
    for out in (tmp_path / "file" / "walk.mp4", tmp_path / "taken.mp4"):
        with pytest.raises(UserError, match="cannot write"):
            record_episode(sway, ENV_ID, 3, out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken.mp4"]


def test_bad_arguments_are_the_users_mistake(tmp_path: Path) -> None:
    out = tmp_path / "walk.mp4"
    with pytest.raises(UserError, match="duration must be positive"):
        record_episode(sway, ENV_ID, 3, out, 0)
    with pytest.raises(UserError, match="seed"):
        record_episode(sway, ENV_ID, -1, out)
    with pytest.raises(UserError, match="CartPole-v1"):
        record_episode(sway, "CartPole-v1", 3, out)
    assert list(tmp_path.iterdir()) == []


def test_needs_no_screen_and_keeps_standard_output_clean(tmp_path: Path) -> None:
    script = (
        "import sys, numpy as np; from pathlib import Path;"
        "from bipedal.report.video import record_episode;"
        "record_episode(lambda _: np.zeros(4, np.float32), 'BipedalWalker-v3', 1,"
        f" Path({str(tmp_path / 'walk.mp4')!r}), 0.1);"
    )
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER", "PYGAME_HIDE_SUPPORT_PROMPT")
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    assert imageio_ffmpeg.count_frames_and_secs(tmp_path / "walk.mp4")[0] == 5
