"""A window on the screen that shows frames; it needs pygame, which is optional."""

from __future__ import annotations

import os
from typing import Any

from bipedal.errors import UserError
from bipedal.rendering.canvas import Frame


class Window:
    """Opens with its first frame."""

    def __init__(self, title: str, fps: int) -> None:
        """Show at most `fps` frames in a second. Raises `UserError` if there is no pygame."""
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # it greets on standard output
        try:
            import pygame
        except ImportError:
            raise UserError(
                'render mode "human" needs pygame: `pip install pygame-ce`, or use "rgb_array"'
            ) from None
        self._pygame: Any = pygame
        self._title = title
        self._fps = fps
        self._screen: Any = None
        self._clock: Any = None

    def show(self, frame: Frame) -> None:
        """Show a frame (height, width, 3), and wait so that time passes as in the real world."""
        if self._screen is None:
            self._pygame.display.init()
            self._screen = self._pygame.display.set_mode((frame.shape[1], frame.shape[0]))
            self._pygame.display.set_caption(self._title)
            self._clock = self._pygame.time.Clock()
        upright = self._pygame.surfarray.make_surface(frame.swapaxes(0, 1))
        self._screen.blit(upright, (0, 0))
        self._pygame.event.pump()
        self._clock.tick(self._fps)
        self._pygame.display.flip()

    def close(self) -> None:
        """Close the window, if it is open."""
        if self._screen is not None:
            self._pygame.display.quit()
            self._screen = None
