"""The page of `bipedal share`: what is in the file, and what a browser makes of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from browser import Browser, needs_chromium

from bipedal import cli
from bipedal.errors import UserError
from bipedal.live.share import MODULES, PAGE, bundle_scripts, digest_of, embed_json, write_page
from bipedal.policy import Policy

pytest_plugins = ["pages"]

MOST_BYTES = 3_000_000
NASTY = "</script><script>alert(1)</script>\x07\u2028<b>.pth"


@needs_chromium
def test_a_browser_plays_every_episode_with_the_same_bits(browser: Browser, page: Path) -> None:
    browser.open(page)
    found = re.fullmatch(r"(\d+) of (\d+) steps identical", browser.text("parity"))
    assert found is not None
    assert found[1] == found[2]
    assert int(found[2]) > 3000
    assert browser.complaints == []


@needs_chromium
def test_a_browser_sees_a_wrong_digest(browser: Browser, page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    digests = re.findall(r'"digests": "([^"]+)"', text)[0]
    wrong = ("B" if digests[600] != "B" else "C").join((digests[:600], digests[601:]))
    path = tmp_path / "wrong.html"
    path.write_text(text.replace(digests, wrong), encoding="utf-8")
    browser.open(path)
    assert browser.evaluate("document.getElementById('parity').dataset.same") == "false"


@needs_chromium
def test_names_are_text_whatever_is_in_them(
    browser: Browser, tmp_path: Path, model: Policy
) -> None:
    browser.open(write_page([(NASTY, model)], tmp_path / "nasty.html"))
    assert browser.evaluate("document.querySelector('h1').textContent").startswith("</script>")
    assert browser.evaluate("document.querySelectorAll('script').length") == 2
    assert browser.complaints == []


@needs_chromium
def test_a_rewound_episode_goes_on_as_before(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.wait_for("Number(document.getElementById('time').value) >= 60")
    browser.evaluate("document.getElementById('play').click()")
    before = scores(browser)
    rewind = "time.value -= 50; time.dispatchEvent(new Event('input'))"
    browser.evaluate(f"{{ const time = document.getElementById('time'); {rewind} }}")
    assert scores(browser) != before
    browser.evaluate("for (let i = 0; i < 50; i++) document.getElementById('step').click()")
    assert scores(browser) == before


@needs_chromium
def test_dragging_a_hull_pushes_it(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.wait_for("Number(document.getElementById('time').value) >= 20")
    browser.evaluate("document.getElementById('play').click()")
    before = scores(browser)
    box = "document.getElementById('canvas').getBoundingClientRect()"
    x, y, width, height = (
        browser.evaluate(f"{box}.{side}") for side in ("left", "top", "width", "height")
    )
    hull = (x + 0.28 * width, y + 0.7 * height - 2.3 * width / 20)
    browser.mouse("pressed", *hull)
    browser.mouse("moved", hull[0] + 80, hull[1])
    browser.mouse("released", hull[0] + 80, hull[1])
    assert scores(browser) != before


def scores(browser: Browser) -> str:
    """Return, distance and speed of each model, after the next picture."""
    wait = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    browser.call("Runtime.evaluate", expression=wait, awaitPromise=True)
    return browser.text("scores")


def test_the_file_is_small_and_asks_nobody(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(text.encode()) < MOST_BYTES
    assert "default-src 'none'" in text
    assert "connect-src" not in text
    assert re.search(r"\b(https?:|eval\(|import\()", script_of(text)) is None


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
