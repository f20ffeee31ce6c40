"""Record one episode as .mp4 or .gif, on a machine with no screen."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bipedal.engines.picture import take_picture
from bipedal.engines.warp import WarpEngine
from bipedal.errors import RunFailedError, UserError
from bipedal.evaluation.episode import Player, begin, play_recorded
from bipedal.evaluation.recorder import Recorder
from bipedal.evaluation.trajectory import Trajectory
from bipedal.physics.constants import TIMESTEP
from bipedal.rendering.canvas import Frame
from bipedal.walker import TIME_LIMITS, check_seed

FPS = round(1 / TIMESTEP)
"""Frames per second: one frame for each timestep, so that the video plays in real time."""

GIF_STRIDE = 2
"""A .gif keeps every other frame: 40 ms, exact in its unit of 10 ms."""

GIF_SIZE = (480, 320)
"""Width and height of a .gif, pixels; the environment's 600 x 400 scaled down."""

GIF_COLOURS = 48
"""Palette of a .gif; the scene is drawn in about a dozen flat colours."""

SCENE_COLOURS = ((255, 255, 255), (153, 153, 153), (255, 0, 0), (230, 51, 0))
"""Clouds, Hardcore's blocks, lidar, flag: may be missing from the first frame, the palette's."""


@dataclass(frozen=True)
class RecordedEpisode:
    """One recorded episode; cut short by `max_seconds`, the numbers are of the part recorded."""

    path: Path
    """The video file."""
    trajectory: Trajectory
    """The episode row by row; neither terminated nor truncated if it was cut short."""

    @property
    def episodic_return(self) -> float:
        """Undiscounted sum of raw rewards."""
        return float(self.trajectory.rewards.sum())

    @property
    def length(self) -> int:
        """Timesteps."""
        return len(self.trajectory.rewards)

    @property
    def seconds(self) -> float:
        """Duration in s, of the episode and of the video alike."""
        return self.length / FPS


def record_episode(
    policy: Player,
    env_id: str,
    seed: int,
    out: Path,
    max_seconds: float | None = None,
    progress: Callable[[Iterable[Frame], int], Iterable[Frame]] = lambda frames, total: frames,
) -> RecordedEpisode:
    """Play one episode, that of `reset(seed=seed)`, and write it as a video.

    The suffix of `out` chooses the format: .mp4 (H.264, full size, 50 frames/s) or .gif (smaller,
    25 frames/s). Missing parent directories are created. `out` appears complete or not at all.
    `progress` may wrap the stream of frames to show how far it is; its total is the time limit,
    and an episode may end before.

    Raises:
        UserError: `out` has another suffix or cannot be written; `env_id` or `seed` is not valid.
        RunFailedError: the video could not be encoded or written: no ffmpeg, a full disk.
    """
    out = Path(out)
    write = {".mp4": _write_mp4, ".gif": _write_gif}.get(out.suffix.lower())
    if write is None:
        raise UserError(f"cannot record to '{out}': the file name must end in .mp4 or .gif")
    if max_seconds is not None and not max_seconds > 0:
        raise UserError(f"cannot record {max_seconds} s: the duration must be positive")
    check_seed(seed)
    with closing(WarpEngine(env_id, 1, seed, autoreset=False)) as engine:
        limit = TIME_LIMITS[env_id]
        if max_seconds is not None:
            limit = min(limit, max(1, round(min(max_seconds, limit) * FPS)))
        recorder = Recorder(engine, [0])
        steps = itertools.islice(play_recorded(begin(policy), engine, recorder), limit)
        frames = (take_picture(engine, 0, number) for number, _ in enumerate(steps, start=1))
        temporary = _temporary_beside(out)
        try:
            write(iter(progress(frames, limit)), temporary)
            os.replace(temporary, out)
        except OSError as error:
            raise RunFailedError(f"cannot write '{out}': {error.strerror or error}") from None
        finally:
            temporary.unlink(missing_ok=True)
        trajectory = recorder.finish(0)
    return RecordedEpisode(out, trajectory)


def _temporary_beside(out: Path) -> Path:
    """Create an empty file in the directory of `out`, which makes sure that one can write there."""
    # The suffix stays last: ffmpeg and Pillow choose the format by it.
    temporary = out.with_name(f".{out.stem}.{os.getpid()}.partial{out.suffix.lower()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.is_dir():
            raise IsADirectoryError(None, "it is a directory")
        temporary.touch()
    except OSError as error:
        raise UserError(f"cannot write '{out}': {error.strerror}") from error
    return temporary


def _write_mp4(frames: Iterator[Frame], path: Path) -> None:
    """Encode H.264 with yuv420p colours, which every browser plays; one frame in memory.

    Raises OSError with ffmpeg's own reason if it fails.
    """
    first = next(frames)
    command = [
        *(_find_ffmpeg(), "-y", "-v", "error", "-xerror"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{first.shape[1]}x{first.shape[0]}"),
        *("-r", str(FPS), "-i", "-", "-c:v", "libx264", "-crf", "15", "-pix_fmt", "yuv420p"),
        *("-movflags", "+faststart"),  # the index first: plays while it loads
        os.path.abspath(path),  # a name of its own may look like an option or a protocol
    ]
    with _start(command) as encoder:
        assert encoder.stdin is not None
        try:
            for frame in itertools.chain([first], frames):
                try:
                    encoder.stdin.write(frame.data)
                except OSError:  # it has ended; its last words follow
                    break
            _, words = encoder.communicate()
        except BaseException:
            encoder.kill()
            raise
    if encoder.returncode:
        raise OSError(_reason(words.decode(errors="replace")))


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            process_group=0,  # Ctrl-C is for us alone
        )
    except OSError as error:
        raise OSError(f"ffmpeg does not start: {error.strerror}") from None


def _find_ffmpeg() -> str:
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        raise OSError(
            "there is no ffmpeg here; install one, or record a .gif, which needs none"
        ) from None


def _reason(words: str) -> str:
    """Make one clause of what ffmpeg says when it fails."""
    if "Unknown encoder" in words:
        return "this ffmpeg cannot encode H.264 (libx264); use another, or record a .gif"
    if "No space left on device" in words:
        return "No space left on device"
    lines = [re.sub(r"^\[[^]]*\] *", "", line).strip() for line in words.splitlines()]
    said = next((line for line in lines if line), "no reason given")
    return f"ffmpeg failed: {said}"


def _write_gif(frames: Iterator[Frame], path: Path) -> None:
    """Write every other frame, scaled down, all in one palette, looping for ever."""
    from PIL import Image

    def shrink(frame: Frame) -> Image.Image:
        return Image.fromarray(frame).resize(GIF_SIZE, Image.Resampling.BOX)

    first = shrink(next(frames))
    palette = _palette(first)

    def to_palette(image: Image.Image) -> Image.Image:
        return image.quantize(palette=palette, dither=Image.Dither.NONE)

    def others() -> Iterator[Image.Image]:
        for index, frame in enumerate(frames, start=1):
            if index % GIF_STRIDE == 0:
                yield to_palette(shrink(frame))

    to_palette(first).save(
        path, save_all=True, append_images=others(), duration=1000 * GIF_STRIDE // FPS, loop=0
    )


def _palette(first: Any) -> Any:
    """Palette image for a whole .gif: the colours of its first frame and those that come later."""
    from PIL import Image

    swatch = 24
    canvas = Image.new("RGB", (first.width, first.height + swatch))
    canvas.paste(first, (0, 0))
    for index, colour in enumerate(SCENE_COLOURS):
        left = index * first.width // len(SCENE_COLOURS)
        canvas.paste(colour, (left, first.height, canvas.width, canvas.height))
    return canvas.quantize(GIF_COLOURS, method=Image.Quantize.MEDIANCUT)
