"""A page with both models of the package, and a browser to open it in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import PAGE_MODELS, Browser, open_browser

from bipedal.checkpoint import load_model
from bipedal.live.share import write_page


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with both models of the package."""
    path = tmp_path_factory.mktemp("page") / "walkers.html"
    models = [(name, load_model(name)) for name in PAGE_MODELS]
    return write_page(models, path, seed=3)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser
