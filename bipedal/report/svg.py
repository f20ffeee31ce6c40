"""Figures as SVG that stands in the middle of a page."""

from __future__ import annotations

import html
import io
import re
from typing import TYPE_CHECKING

from markupsafe import Markup

from bipedal.style import GRID, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def inline_svg(figure: Figure, name: str, alternative: str) -> Markup:
    """Write a figure as SVG: no metadata, no addresses, text as text, inks as CSS variables.

    `name` tells its identifiers from those of other figures, `alternative` says what it shows to
    readers who cannot see it.
    """
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    head = f'role="img" aria-label="{html.escape(alternative)}"'
    svg = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf"<svg \1 {head}>", svg)
    svg = re.sub(r"(font: [^;\"]*?px) [^;\"]*", r"\1 var(--font)", svg)
    for colour, variable in ((INK, "ink"), (MUTED, "muted"), (GRID, "grid")):
        svg = svg.replace(colour, f"var(--{variable})")
    return Markup(svg)  # matplotlib has escaped its text
