"""Every block of the site's own pages runs; a comment above a block says how it is made small.

`<!-- in the tests: A -> B; C -> D -->` replaces A by B and C by D in the block that follows, and
`<!-- not run in the tests: REASON -->` leaves it out.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from commands import C_COMPILER

import bipedal
from bipedal import cli
from bipedal.commands import COMMANDS, models

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [DOCS / "tutorial.md", *sorted((DOCS / "guides").glob("*.md"))]
NEEDS = {"own-learner": ("stable_baselines3",), "deploy": ("onnx", "onnxruntime"),
         "own-study": ("scipy",), "hyperparameters": ("optuna",)}  # fmt: skip
FILES = {"c": "main.c", "toml": "space.toml"}
"""What a block of a language is written to, for the commands below it."""
BLOCK = re.compile(r"(?:<!-- ([^\n]+) -->\n)?```(\w+)\n(.*?)\n```", re.DOTALL)
CHANGES, NOT_RUN = "in the tests: ", "not run in the tests: "


class Block(NamedTuple):
    """A block of code as the tests run it."""

    language: str
    code: str
    line: int


def blocks(text: str) -> Iterator[Block]:
    """The blocks that are run, in order."""
    for match in BLOCK.finditer(text):
        comment, language, code = match.groups()
        if comment and comment.startswith(NOT_RUN):
            continue
        if comment and comment.startswith(CHANGES):
            for change in comment.removeprefix(CHANGES).split("; "):
                old, new = change.split(" -> ")
                assert old in code, f"{old!r} is not in the block below it"
                code = code.replace(old, new)
        yield Block(language, code, text.count("\n", 0, match.start(2)) + 2)


def run_shell(code: str) -> None:
    """Run the commands of a block: ours in this process, which saves their start."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["bipedal"] and ">" in words:
            *words, _, name = words
            with open(name, "w") as file, contextlib.redirect_stdout(file):
                assert cli.main(words[1:]) == 0, line
        elif words[:1] == ["bipedal"]:
            assert cli.main(words[1:]) == 0, line
        elif words:
            program = C_COMPILER if words[0] == "cc" else words[:1]
            subprocess.run([*program, *words[1:]], check=True)


@pytest.mark.usefixtures("empty_directory")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_blocks_of_a_page_run(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "HUB_SECONDS", 0.1)
    for module in NEEDS.get(page.stem, ()):
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    names: dict[str, Any] = {"__name__": page.stem}
    sys.modules.pop(page.stem, None)
    for block in blocks(page.read_text()):
        if block.language == "python":
            code = "\n" * (block.line - 1) + block.code
            exec(compile(code, str(page), "exec"), names)
        elif block.language == "sh":
            run_shell(block.code)
        else:
            Path(FILES[block.language]).write_text(block.code)


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", DOCS, tmp_path / "site"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    first = (tmp_path / "site" / "index.html").read_text()
    assert 'src="walker.html"' in first and (tmp_path / "site" / "walker.html").exists()
    python = (tmp_path / "site" / "reference" / "python.html").read_text()
    assert all(f"bipedal.{name}" in python for name in bipedal.__all__)
    commands = (tmp_path / "site" / "reference" / "commands.html").read_text()
    assert all(f"usage: bipedal {name}" in commands for name in COMMANDS)


def test_a_block_is_changed_or_left_out_as_the_comment_says() -> None:
    text = (
        "<!-- in the tests: 1 -> 2; b -> c -->\n```sh\na 1 b\n```\n"
        "<!-- not run in the tests: slow -->\n```sh\nslow\n```\n```python\nx\n```\n"
    )
    assert list(blocks(text)) == [Block("sh", "a 2 c", 3), Block("python", "x", 10)]
    with pytest.raises(AssertionError, match="'3' is not in the block"):
        list(blocks(text.replace("1 -> 2", "3 -> 2")))


def test_every_page_is_tested() -> None:
    assert {page.stem for page in PAGES} >= {"tutorial", "deploy", "push-tests"}
    written = {path.stem for path in (DOCS / "guides").iterdir()}
    assert written == {page.stem for page in PAGES} - {"tutorial"}
