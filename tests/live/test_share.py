"""The page of `bipedal share`: what is in the file, and what a browser makes of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bipedal import cli
from bipedal.checkpoint import load_model
from bipedal.errors import UserError
from bipedal.live.share import MODULES, PAGE, bundle_scripts, digest_of, embed_json, write_page
from bipedal.policy import Policy

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

MOST_BYTES = 3_000_000
NASTY = "</script><script>alert(1)</script>\x07\u2028<b>.pth"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with both models of the package."""
    path = tmp_path_factory.mktemp("page") / "walkers.html"
    models = [(name, load_model(name)) for name in ("pretrained:walker", "pretrained:hardcore")]
    return write_page(models, path, seed=3)


def browse(path: Path, *options: str) -> tuple[str, str]:
    """The page's elements after it has run for a while, and what the browser complained of."""
    result = subprocess.run(
        [
            *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            *("--virtual-time-budget=20000", "--enable-logging=stderr", "--v=0", *options),
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    complaints = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    return result.stdout, "\n".join(complaints)


@needs_chromium
def test_a_browser_plays_every_episode_with_the_same_bits(page: Path) -> None:
    elements, complaints = browse(page)
    assert complaints == ""
    found = re.search(r'id="parity"[^>]*>(\d+) of (\d+) steps identical<', elements)
    assert found is not None, elements[-3000:]
    assert found[1] == found[2]
    assert int(found[2]) > 3000


@needs_chromium
def test_a_browser_sees_a_wrong_digest(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    digests = re.findall(r'"digests": "([^"]+)"', text)[0]
    wrong = ("B" if digests[600] != "B" else "C").join((digests[:600], digests[601:]))
    path = tmp_path / "wrong.html"
    path.write_text(text.replace(digests, wrong), encoding="utf-8")
    elements, _ = browse(path)
    assert 'data-same="false"' in elements


@needs_chromium
def test_names_are_text_whatever_is_in_them(tmp_path: Path, model: Policy) -> None:
    elements, complaints = browse(write_page([(NASTY, model)], tmp_path / "nasty.html"))
    assert complaints == ""
    assert "steps identical" in elements
    assert "<h1>&lt;/script&gt;&lt;script&gt;alert(1)" in elements


def test_the_file_is_small_and_asks_nobody(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(text.encode()) < MOST_BYTES
    assert "default-src 'none'" in text
    assert re.search(r"\b(https?:|fetch\(|eval\(|import\()", script_of(text)) is None


def script_of(text: str) -> str:
    """The page's script, without comments."""
    script = text.split('<script type="module">')[1]
    return re.sub(r"/\*.*?\*/", "", script, flags=re.DOTALL)


def test_embedded_json_cannot_end_its_element() -> None:
    embedded = embed_json({"name": NASTY})
    assert "<" not in embedded
    assert "\x07" not in embedded
    assert json.loads(embedded)["name"] == NASTY


def test_the_scripts_become_one_and_none_is_forgotten() -> None:
    assert {path.stem for path in PAGE.glob("*.mjs")} == set(MODULES)
    script = bundle_scripts()
    assert re.search(r"^(import|export)\b", script, flags=re.MULTILINE) is None
    assert "</script" not in script


def test_digests_are_fnv(model: Policy) -> None:
    class Bytes:
        def to_bytes(self) -> bytes:
            return b"foobar"

    assert digest_of(Bytes()) == 0x85944171F73967E8  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [0, 5])
def test_a_page_shows_one_to_four_models(tmp_path: Path, model: Policy, count: int) -> None:
    with pytest.raises(UserError, match="1 to 4 models"):
        write_page([("walker", model)] * count, tmp_path / "page.html")


def test_the_command_writes_a_page(
    model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "page.html"
    assert cli.main(["share", str(model_path), "--out", str(out), "--seed", "5"]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert 'value="5"' in out.read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_one_sentence(
    model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "nowhere" / "page.html"
    assert cli.main(["share", str(model_path), "--out", str(out)]) == 2
    assert "cannot write" in capsys.readouterr().err
