"""The site: `make docs` builds it with Sphinx, Furo and MyST."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ["COLUMNS"] = "88"  # the width of a command's help

import bipedal  # noqa: E402
from bipedal import commands  # noqa: E402
from bipedal.checkpoint import load_model  # noqa: E402
from bipedal.live.share import write_page  # noqa: E402

project = "bipedal"
author = "The bipedal authors"
copyright = author
version = release = bipedal.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"bipedal {release}"
html_show_copyright = False
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = True

WALKER = "walker.html"
"""The page of `bipedal share`, which the first page shows."""


class CommandHelp(SphinxDirective):
    """`{command-help} NAME`: what `bipedal NAME --help` prints, or `bipedal --help` without it."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Ask the parser."""
        text = commands.help_text(self.arguments[0]) if self.arguments else commands.USAGE
        return [nodes.literal_block(text, text, language="text")]


class AllCommands(SphinxDirective):
    """`{all-commands}`: a section with the help of every command."""

    def run(self) -> list[nodes.Node]:
        """Ask the parser."""
        sections: list[nodes.Node] = []
        for name in commands.COMMANDS:
            section = nodes.section(ids=[f"bipedal-{name}"], names=[f"bipedal {name}"])
            text = commands.help_text(name)
            section += nodes.title(text=f"bipedal {name}")
            section += nodes.literal_block(text, text, language="text")
            sections.append(section)
        return sections


def as_literals(*what: Any) -> None:
    """Write the docstrings' `names` as reStructuredText writes code, and |x| as it is."""
    lines: list[str] = what[-1]
    text = "\n".join(lines)
    text = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``\\ ", text)
    lines[:] = re.sub(r"\|", r"\\|", text).split("\n")


def without_links_to_pages_elsewhere(_: object, __: str, source: list[str]) -> None:
    """Name folders and pages outside the site, such as those of studies, instead of linking."""
    elsewhere = r"\[([^\]]+)\]\(\.\./((?:results|bipedal)/(?:[^)]*\.md|[a-z/]+))\)"
    source[0] = re.sub(elsewhere, r"\1 (`\2`)", source[0])


def write_walker(app: Sphinx) -> None:
    """Write the page in which a robot walks beside the pages of the site."""
    app.outdir.mkdir(parents=True, exist_ok=True)
    name = "pretrained:walker"
    write_page([(name, load_model(name))], Path(app.outdir) / WALKER)


def setup(app: Sphinx) -> None:
    """Add what this site needs beyond Sphinx."""
    app.add_directive("command-help", CommandHelp)
    app.add_directive("all-commands", AllCommands)
    app.connect("autodoc-process-docstring", as_literals)
    app.connect("source-read", without_links_to_pages_elsewhere)
    app.connect("builder-inited", write_walker)
