"""What a visitor does on the page, in a headless Chromium."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from browser import PAGE_MODELS, Browser, needs_chromium
from node import needs_node, run_node
from test_race import EVERYTHING

from bipedal.checkpoint import load_model, resolve_model_path, statistics_path
from bipedal.live.share import PAGE, describe_policy
from bipedal.style import DARK, LIGHT

pytest_plugins = ["pages"]
pytestmark = needs_chromium


def world(browser: Browser) -> str:
    """Whether the page says that this is Gymnasium's world; it says so a moment later."""
    wait = "new Promise((done) => setTimeout(() => requestAnimationFrame(done), 300))"
    browser.call("Runtime.evaluate", expression=wait, awaitPromise=True)
    return str(browser.evaluate("document.getElementById('world').dataset.world"))


def click(browser: Browser, selector: str) -> None:
    browser.evaluate(f"document.querySelector({selector!r}).click()")


def drag(browser: Browser, *points: tuple[float, float]) -> None:
    """Drag the mouse over the canvas; points are shares of its width and height."""
    box = "document.getElementById('canvas').getBoundingClientRect()"
    left, top, width, height = (
        browser.evaluate(f"{box}.{side}") for side in ("left", "top", "width", "height")
    )
    places = [(left + x * width, top + y * height) for x, y in points]
    browser.mouse("pressed", *places[0])
    for place in places[1:]:
        browser.mouse("moved", *place)
    browser.mouse("released", *places[-1])


def seconds(browser: Browser) -> float:
    return float(browser.text("clock").split()[0])


@pytest.fixture
def opened(browser: Browser, page: Path) -> Browser:
    """The page, paused and rewound to its fifth step, in the world of Gymnasium.

    On a busy machine a robot may lie on the ground by the time that the page is paused.
    """
    browser.resize(1000, 900)
    browser.open(page)
    browser.wait_for("Number(document.getElementById('time').value) >= 5")
    click(browser, "#play")
    rewind = "time.value = 5; time.dispatchEvent(new Event('input'))"
    browser.evaluate(f"{{ const time = document.getElementById('time'); {rewind} }}")
    assert world(browser) == "ordinary"
    assert seconds(browser) == pytest.approx(0.1)
    browser.complaints.clear()
    return browser


@pytest.mark.parametrize(
    ("tool", "expected"), [("draw", "other"), ("stump", "other"), ("ball", "disturbed")]
)
def test_tools_change_the_world_and_the_page_says_so(
    opened: Browser, tool: str, expected: str
) -> None:
    click(opened, f"#tools input[value={tool}]")
    drag(opened, (0.8, 0.6), (0.85, 0.55), (0.9, 0.6))
    assert world(opened) == expected
    assert opened.complaints == []


def test_two_fingers_zoom_and_push_nothing(opened: Browser) -> None:
    picture = "document.getElementById('canvas').toDataURL()"
    box = "document.getElementById('canvas').getBoundingClientRect()"
    left, top, width = (
        float(opened.evaluate(f"{box}.{side}")) for side in ("left", "top", "width")
    )
    before = opened.evaluate(picture)
    for kind, apart in (("Start", 0.1), ("Move", 0.15), ("Move", 0.2), ("End", None)):
        shares = [] if apart is None else [0.35 - apart, 0.35 + apart]
        points = [
            {"x": left + share * width, "y": top + 0.3 * width, "id": number}
            for number, share in enumerate(shares)
        ]
        opened.call("Input.dispatchTouchEvent", type=f"touch{kind}", touchPoints=points)
    assert world(opened) == "ordinary"
    assert opened.evaluate(picture) != before
    click(opened, "#tools input[value=ball]")
    drag(opened, (0.8, 0.6), (0.9, 0.6))
    assert world(opened) == "disturbed"
    assert opened.complaints == []


def test_ground_under_a_robot_is_refused_with_a_sentence(opened: Browser) -> None:
    click(opened, "#tools input[value=draw]")
    drag(opened, (0.3, 0.5), (0.32, 0.5))
    assert world(opened) == "ordinary"
    assert "ahead" in opened.text("status")


@pytest.mark.parametrize("law", ["gravity", "motors", "grip"])
def test_laws_change_the_world_until_the_next_episode_without_them(
    opened: Browser, law: str
) -> None:
    change = "input.value = 0.5; input.dispatchEvent(new Event('input'))"
    opened.evaluate(f"{{ const input = document.getElementById({law!r}); {change} }}")
    assert world(opened) == "other"
    click(opened, "#back")  # to a time before
    assert world(opened) == "ordinary"
    assert opened.evaluate(f"document.getElementById({law!r}).value") != "0.5"
    click(opened, "#step")
    assert world(opened) == "other"
    assert opened.evaluate(f"document.getElementById({law!r}).value") == "0.5"
    click(opened, "#normal")
    assert world(opened) == "other"  # for this episode had it
    click(opened, "#begin .primary")
    assert world(opened) == "ordinary"


def test_keys_take_the_joints_over_and_give_them_back(opened: Browser) -> None:
    opened.key("q")
    assert world(opened) == "disturbed"
    assert "driven by you" in opened.text("scores")
    assert opened.evaluate("document.querySelector('[data-key=q]').ariaPressed") == "true"
    opened.key("q", down=False)
    opened.key("Escape")
    world(opened)
    assert "driven by you" not in opened.text("scores")


def test_another_robot_is_watched_by_itself(opened: Browser) -> None:
    opened.key("o")
    opened.key("o", down=False)
    rows = "[...document.querySelectorAll('#scores tr')].map((row) => row.cells[5].textContent)"
    world(opened)
    assert opened.evaluate(rows) == ["driven by you", ""]
    opened.evaluate("document.querySelectorAll('[name=watched]')[1].click()")
    world(opened)
    assert opened.evaluate(rows) == ["", ""]


def test_keys_play_and_step(opened: Browser) -> None:
    before = seconds(opened)
    opened.evaluate("document.activeElement.blur()")
    opened.key("ArrowRight")
    world(opened)
    assert seconds(opened) == pytest.approx(before + 0.02)
    opened.key("ArrowLeft")
    opened.key("ArrowLeft")
    world(opened)
    assert seconds(opened) == pytest.approx(before - 0.02)
    opened.key(" ")
    opened.wait_for("document.getElementById('play').textContent === 'Pause'")


def test_a_ground_of_ones_own(opened: Browser) -> None:
    click(opened, "#kind input[value=own]")
    assert world(opened) == "other"
    assert opened.evaluate("document.getElementById('roughness').checkVisibility()")
    click(opened, "#kind input[value=hardcore]")
    assert world(opened) == "ordinary"
    assert "Hardcore" in opened.text("world")


@needs_node
def test_a_replay_has_the_same_bits_in_node_and_here(browser: Browser, page: Path) -> None:
    models = [describe_policy(name, load_model(name)) for name in PAGE_MODELS]
    job = {"job": "replay", "models": models, "acts": EVERYTHING, "time": 100}
    replay = json.loads(run_node("race_jobs.mjs", **job))
    browser.open(page, f"#replay={replay['packed']}")
    browser.wait_for("document.getElementById('status').dataset.kind")
    assert replay["digest"] in browser.text("status")
    assert browser.evaluate("document.getElementById('status').dataset.kind") == "good"


def test_a_copied_link_replays_what_happened(opened: Browser, page: Path) -> None:
    click(opened, "#shove-on")
    click(opened, "#throw")
    for _ in range(20):
        click(opened, "#step")
    click(opened, "#link")
    opened.wait_for("document.getElementById('link-text').value")
    link = opened.evaluate("document.getElementById('link-text').value")
    opened.open(page, "#" + link.split("#")[1])
    opened.wait_for("document.getElementById('status').dataset.kind === 'good'")
    assert world(opened) == "disturbed"
    opened.open(page, "#replay=damaged")
    opened.wait_for("document.getElementById('status').dataset.kind === 'bad'")
    assert "copy all of it" in opened.text("status")


def test_a_saved_file_brings_its_models(opened: Browser, tmp_path: Path) -> None:
    opened.evaluate("URL.createObjectURL = (blob) => { window.saved = blob; return 'blob:x' }")
    click(opened, "#shove-back")
    click(opened, "#step")
    click(opened, "#save")
    text = opened.call(
        "Runtime.evaluate", expression="saved.text()", awaitPromise=True, returnByValue=True
    )["result"]["value"]
    path = tmp_path / "walk.json"
    path.write_text(text, encoding="utf-8")
    click(opened, ".remove")  # the file brings this one back
    assert opened.evaluate("document.querySelectorAll('#scores tr').length") == 1
    opened.choose_files("open", path)
    opened.wait_for("document.querySelectorAll('#scores tr').length === 2")
    opened.wait_for("document.getElementById('status').dataset.kind === 'good'")


def test_a_visitors_model_walks(opened: Browser, tmp_path: Path) -> None:
    path = resolve_model_path("pretrained:hardcore")
    opened.choose_files("open", path)
    opened.wait_for("document.getElementById('status').dataset.kind === 'bad'")
    assert "hardcore_stats.pkl is missing" in opened.text("status")
    opened.choose_files("open", path, statistics_path(path))
    opened.wait_for("document.getElementById('status').dataset.kind === 'good'")
    opened.wait_for("Number(document.getElementById('time').value) >= 20")
    rows = "[...document.querySelectorAll('#scores tr')].map((row) => row.cells[1].textContent)"
    own, _, same = opened.evaluate(rows)
    assert own == same  # as the page has this model already
    broken = tmp_path / "broken.pth"
    broken.write_bytes(path.read_bytes()[:1000])
    opened.choose_files("open", broken, statistics_path(path))
    opened.wait_for("document.getElementById('status').dataset.kind === 'bad'")
    assert opened.complaints == []


@needs_node
def test_a_visitor_who_interferes_with_a_replay_is_not_told_that_it_failed(
    browser: Browser, page: Path
) -> None:
    models = [describe_policy(name, load_model(name)) for name in PAGE_MODELS]
    job = {"job": "replay", "models": models, "acts": EVERYTHING[:1], "time": 200}
    replay = json.loads(run_node("race_jobs.mjs", **job))
    browser.open(page)
    click(browser, "#play")
    browser.evaluate("document.getElementById('seed').value = ''")  # the replay fills it
    browser.evaluate(f"location.hash = '#replay={replay['packed']}'")
    browser.wait_for("document.getElementById('seed').value === '0'")
    click(browser, "#play")
    assert seconds(browser) < 4.0
    click(browser, "#shove-on")
    browser.evaluate("for (let i = 0; i < 210; i++) document.getElementById('step').click()")
    world(browser)
    assert seconds(browser) > 4.0
    assert browser.text("status") == ""


@needs_node
def test_too_many_stumps_in_one_place_are_said_in_a_sentence(browser: Browser, page: Path) -> None:
    models = [describe_policy(name, load_model(name)) for name in PAGE_MODELS]
    stumps = [[0, "stump", 14 + i / 100, 3, 14.5 + i / 100, 4.2] for i in range(60)]
    job = {"job": "replay", "models": models, "acts": stumps, "time": 10}
    replay = json.loads(run_node("race_jobs.mjs", **job))
    browser.complaints.clear()
    browser.open(page, f"#replay={replay['packed']}")
    browser.wait_for("document.getElementById('status').dataset.kind === 'bad'")
    assert "fewer boxes in one place" in browser.text("status")
    assert browser.text("play") == "Play"
    click(browser, "#begin .primary")  # the page lives
    browser.wait_for("document.getElementById('play').textContent === 'Pause'")
    assert browser.complaints == []


# Access -------------------------------------------------------------------------------------------


def test_every_control_has_a_name(opened: Browser) -> None:
    nameless = """[...document.querySelectorAll("button, input, select, canvas, summary")].filter(
      (one) => !(one.labels?.length && [...one.labels].some((label) => label.textContent.trim())) &&
        !one.getAttribute("aria-label") && !(one.tagName !== "INPUT" && one.textContent.trim())
    ).map((one) => one.outerHTML)"""
    assert opened.evaluate(nameless) == []


@pytest.mark.parametrize("width", [320, 390, 768, 1400])
def test_no_page_is_wider_than_its_screen(opened: Browser, width: int) -> None:
    opened.resize(width, 800)
    click(opened, "#kind input[value=own]")
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    opened.resize(1000, 900)


@pytest.mark.parametrize("scheme", [LIGHT, DARK])
def test_texts_stand_out_from_what_is_behind_them(scheme: dict[str, str]) -> None:
    style = (PAGE / "page.css").read_text(encoding="utf-8")
    rules = re.findall(r":root \{(.*?)\}", style, flags=re.DOTALL)
    found = dict(re.findall(r"--([\w-]+): (#\w{6})", rules[scheme is DARK]))
    pairs = [
        *((name, ground) for name in ("good", "alert", "bad") for ground in ("page", "card")),
        ("on-accent", "accent"),
        ("muted", "page"),
        ("ink", "card"),
    ]
    colours = {**scheme, **found}
    for text, ground in pairs:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


def contrast(first: str, second: str) -> float:
    """Of two colours `#rrggbb`, as WCAG 2 defines it."""
    low, high = sorted(map(luminance, (first, second)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_nothing_moves_by_itself_for_those_who_want_it_so(browser: Browser, page: Path) -> None:
    calm = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    browser.call("Emulation.setEmulatedMedia", features=calm)
    browser.open(page)
    world(browser)
    assert (browser.text("play"), browser.text("clock")) == ("Play", "0.02 s")
    browser.call("Emulation.setEmulatedMedia", features=[])
