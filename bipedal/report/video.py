"""Record one episode in Gymnasium's own environment as .mp4 or .gif, on a machine with no screen.

The frames are Gymnasium's own, unaltered in the .mp4. Its `render` draws a surface as wide as the
distance walked, so that a frame costs about 3 ms at the start and 0.06 ms more for each metre
(8 ms at the far end): a full episode takes around ten seconds to record.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bipedal.engines.reference import make_env
from bipedal.errors import UserError
from bipedal.evaluation.episode import Act, begin
from bipedal.physics.constants import TIMESTEP
from bipedal.policy import Policy
from bipedal.walker import check_seed

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

Frame = npt.NDArray[np.uint8]
"""(height, width, 3)"""


@dataclass
class RecordedEpisode:
    """One recorded episode; cut short by `max_seconds`, the numbers are of the part recorded."""

    path: Path
    """The video file."""
    env_id: str
    seed: int
    episodic_return: float = 0.0
    """Undiscounted sum of raw rewards."""
    length: int = 0
    """Timesteps."""
    terminated: bool = False
    truncated: bool = False
    """Both False when `max_seconds` cut the recording short."""

    @property
    def seconds(self) -> float:
        """Duration in s, of the episode and of the video alike."""
        return self.length / FPS


def record_episode(
    policy: Policy | Act,
    env_id: str,
    seed: int,
    out: Path,
    max_seconds: float | None = None,
) -> RecordedEpisode:
    """Play one episode of a fresh environment, `reset(seed=seed)`, and write it as a video.

    The suffix of `out` chooses the format: .mp4 (H.264, full size, 50 frames/s) or .gif (smaller,
    25 frames/s). Missing parent directories are created. `out` appears complete or not at all.

    Raises:
        UserError: `out` has another suffix or cannot be written; `env_id` or `seed` is not valid.
    """
    out = Path(out)
    write = {".mp4": _write_mp4, ".gif": _write_gif}.get(out.suffix.lower())
    if write is None:
        raise UserError(f"cannot record to '{out}': the file name must end in .mp4 or .gif")
    if max_seconds is not None and not max_seconds > 0:
        raise UserError(f"cannot record {max_seconds} s: the duration must be positive")
    check_seed(seed)
    max_length = sys.maxsize if max_seconds is None else max(1, round(max_seconds * FPS))
    temporary = _temporary_beside(out)
    try:
        episode = RecordedEpisode(out, env_id, seed)
        write(_play(begin(policy), episode, max_length), temporary)
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)
    return episode


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


def _play(act: Act, episode: RecordedEpisode, max_length: int) -> Iterator[Frame]:
    """Yield one frame after each timestep; fill in `episode`."""
    _draw_without_screen()
    env = make_env(episode.env_id, render_mode="rgb_array")
    try:
        observation, _ = env.reset(seed=episode.seed)
        done = False
        while not done and episode.length < max_length:
            observation, reward, terminated, truncated, _ = env.step(act(observation))
            episode.episodic_return += float(reward)
            episode.length += 1
            episode.terminated, episode.truncated = terminated, truncated
            done = terminated or truncated
            frame: Any = env.render()
            yield np.ascontiguousarray(frame)
    finally:
        env.close()


def _draw_without_screen() -> None:
    """Prepare pygame, which the environment imports at its first frame."""
    # Its greeting would go to standard output, where `--json` promises one object and nothing else.
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    has_display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not has_display:
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")


def _write_mp4(frames: Iterator[Frame], path: Path) -> None:
    """Encode H.264 with yuv420p colours, which every browser plays; one frame in memory."""
    import imageio_ffmpeg

    first = next(frames)
    writer = imageio_ffmpeg.write_frames(
        path,
        size=(first.shape[1], first.shape[0]),
        fps=FPS,
        codec="libx264",
        quality=7,  # of 10: constant rate factor 15
        macro_block_size=2,  # yuv420p needs even sides; 16 would stretch 600 pixels to 608
        output_params=["-movflags", "+faststart"],  # the index first: plays while it loads
    )
    count = 1
    try:
        writer.send(None)
        writer.send(first)
        for frame in frames:
            writer.send(frame)
            count += 1
    finally:
        writer.close()
    # ffmpeg's exit status is not passed on (full disk): ask the file itself.
    written, _ = imageio_ffmpeg.count_frames_and_secs(path)
    if written != count:
        raise OSError(f"the video encoder wrote {written} of {count} frames to '{path}'")


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
