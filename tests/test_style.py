"""Everything that is said on the page can be read in both colour schemes."""

from __future__ import annotations

import re

import numpy as np
import pytest

from bipedal import style
from bipedal.report import figures
from bipedal.report.svg import inline_svg
from bipedal.report.training_curves import draw_learning_curve
from bipedal.style import DARK, INK, LIGHT, MUTED

SCHEMES = pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    channels = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@SCHEMES
@pytest.mark.parametrize("text", ["ink", "muted"])
@pytest.mark.parametrize("background", ["page", "card"])
def test_text_stands_out(scheme: dict[str, str], text: str, background: str) -> None:
    assert contrast(scheme[text], scheme[background]) >= 4.5


@SCHEMES
def test_lines_stand_out(scheme: dict[str, str]) -> None:
    colours = (style.BLUE, style.ORANGE, style.GREEN, style.PURPLE, style.RED, *figures.LEGS)
    assert min(contrast(colour, scheme["card"]) for colour in colours) >= 3


def test_text_of_figures_is_ink_or_muted() -> None:
    evaluations = {"timesteps": np.array([1e6, 2e6]), "mean_return": np.array([10.0, 310.0])}
    figure = draw_learning_curve({}, evaluations, 300.0)
    assert figure is not None
    svg = inline_svg(figure, "name", 'What "it" shows')
    texts = re.findall(r"<text [^>]*>[^<]*</text>", svg)
    assert any("best 310" in text for text in texts)
    assert any("solved: 300" in text for text in texts)
    assert all("fill: var(--ink)" in text or "fill: var(--muted)" in text for text in texts)
    assert INK not in svg and MUTED not in svg
    assert 'role="img" aria-label="What &quot;it&quot; shows"' in svg
