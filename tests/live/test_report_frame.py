"""The live page in a report, in a real browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from browser import PATIENCE, Browser, needs_chromium

from bipedal.config import TrainConfig
from bipedal.report.report import write_report
from bipedal.training_loop import train

pytest_plugins = ["pages"]


def elements(node: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Attributes of all elements of a document and the frames in it."""
    flat = node.get("attributes", [])
    yield dict(zip(flat[::2], flat[1::2], strict=True))
    for child in [*node.get("children", []), *filter(None, [node.get("contentDocument")])]:
        yield from elements(child)


def find(browser: Browser, identifier: str) -> dict[str, str]:
    document = browser.call("DOM.getDocument", depth=-1, pierce=True)["root"]
    found = (one for one in elements(document) if one.get("id") == identifier)
    return next(found, {})


@needs_chromium
def test_the_best_model_walks_in_its_report(
    tiny_config: TrainConfig, browser: Browser, tmp_path: Path
) -> None:
    """Under the report's Content-Security-Policy, and with the bits of Python."""
    train(tiny_config, tmp_path / "run")
    page = write_report(tmp_path / "run")
    browser.complaints.clear()
    browser.call("Page.navigate", url=page.as_uri())
    browser.wait_for("document.querySelector('iframe') !== null")
    browser.evaluate("document.querySelector('iframe').scrollIntoView()")  # it loads when seen
    deadline = time.monotonic() + PATIENCE
    while "data-same" not in find(browser, "parity"):
        assert time.monotonic() < deadline, browser.complaints
        time.sleep(0.2)
    assert find(browser, "parity")["data-same"] == "true"
    assert browser.complaints == []
