"""Pieces of a page: inlined figures, cards, tables, numbers, and the page they stand on.

Arguments called `body` are markup already; all other text is escaped here.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence
from string import Template
from typing import TYPE_CHECKING

import numpy as np

from bipedal.report.figures import GRID, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NO_DATA = '<p class="none">No data yet.</p>'


def inline_svg(figure: Figure, name: str) -> str:
    """Write a figure as SVG: no metadata, no addresses, text as text, inks as CSS variables."""
    import matplotlib

    buffer = io.StringIO()
    # The salt keeps the identifiers of clip paths apart: all figures share one page.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    label = name.replace("_", " ")
    svg = re.sub(
        r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf'<svg \1 role="img" aria-label="{label}">', svg
    )
    svg = re.sub(r"(font: [^;\"]*?px) [^;\"]*", r"\1 var(--font)", svg)
    for colour, variable in ((INK, "ink"), (MUTED, "muted"), (GRID, "grid")):
        svg = svg.replace(colour, f"var(--{variable})")
    return svg


def section(title: str, body: str, layout: str = "") -> str:
    """Make a headed part of the page; `layout` is a CSS class for its cards."""
    return f'<section><h2>{html.escape(title)}</h2><div class="{layout}">{body}</div></section>'


def card(body: str, title: str = "") -> str:
    """Make a box around `body`."""
    heading = f"<h3>{html.escape(title)}</h3>" if title else ""
    return f'<div class="card">{heading}{body}</div>'


def tile(label: str, value: str, note: str) -> str:
    """Make a small box with one number."""
    return (
        f'<div class="tile"><div class="label">{html.escape(label)}</div>'
        f'<div class="value">{html.escape(value)}</div>'
        f'<div class="note">{html.escape(note)}</div></div>'
    )


def table(rows: Sequence[tuple[str, str]]) -> str:
    """Make a table of two columns."""
    cells = (f"<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>" for a, b in rows)
    return f"<table>{''.join(cells)}</table>"


def plain(value: object) -> str:
    """Text of a setting."""
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value)
    return "–" if value is None else str(value)


def number(value: float, digits: int) -> str:
    """Text of a number with `digits` decimals; a dash for NaN and infinity."""
    return f"{value:,.{digits}f}" if np.isfinite(value) else "–"


def duration(seconds: float) -> str:
    """Text of a duration in s; a dash for NaN."""
    if not np.isfinite(seconds):
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d} h" if hours else f"{minutes}:{rest:02d} min"


PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$name: run report</title>
<style>
:root { color-scheme: light dark; --page: #f5f6f8; --card: #ffffff;
  --ink: #23272e; --muted: #6a7280; --grid: #e2e5ea;
  --font: system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
@media (prefers-color-scheme: dark) { :root { --page: #111418; --card: #1a1e24; --ink: #e8eaee;
  --muted: #99a2b0; --grid: #2e343d; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 75rem; background: var(--page);
  color: var(--ink); font: 15px/1.5 var(--font); }
h1 { margin: 0; font-size: 1.9rem; letter-spacing: -0.02em; overflow-wrap: anywhere; }
h2 { margin: 2.5rem 0 0.75rem; font-size: 1.2rem; letter-spacing: -0.01em; }
h3 { margin: 0 0 0.6rem; font-size: 0.95rem; }
header p { margin: 0.25rem 0 1.5rem; color: var(--muted); }
.tiles, .grid, .stack { display: grid; gap: 1rem; align-items: start; }
.tiles { grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); align-items: stretch; }
.grid { grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); }
.two { display: flex; flex-wrap: wrap; gap: 1rem; align-items: start; }
.two > :first-child { flex: 1.5 1 26rem; }
.two > :last-child { flex: 1 1 20rem; }
.card, .tile { background: var(--card); border: 1px solid var(--grid); border-radius: 10px;
  padding: 1.1rem 1.2rem; min-width: 0; }
.tile { padding: 0.9rem 1.1rem; }
.label, .note, .none, .card p { color: var(--muted); font-size: 0.85rem; margin: 0; }
.value { font-size: 1.5rem; font-weight: 650; letter-spacing: -0.02em; line-height: 1.35;
  font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
.scroll svg { min-width: 44rem; }
svg, video { display: block; width: 100%; height: auto; }
video { border-radius: 6px; margin-bottom: 0.7rem; }
.badge { display: inline-block; color: #ffffff; font-weight: 600; padding: 0.1rem 0.7rem;
  border-radius: 99px; margin-right: 0.6rem; }
table { width: 100%; border-collapse: collapse; font-size: 0.9rem; }
tr + tr > * { border-top: 1px solid var(--grid); }
th { text-align: left; font-weight: 400; padding: 0.3rem 1rem 0.3rem 0; }
td { text-align: right; padding: 0.3rem 0; font-variant-numeric: tabular-nums;
  overflow-wrap: anywhere; }
</style>
</head>
<body>
<header><h1>$name</h1><p>$subtitle</p><div class="tiles">$tiles</div></header>
$sections
</body>
</html>
""")
