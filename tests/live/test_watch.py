"""The page of `bipedal watch`: who gets it, and what becomes of it while a run trains."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, needs_chromium
from conftest import ModelMaker

from bipedal import cli
from bipedal.checkpoint import load_model, save_model
from bipedal.commands.showing import WatchArguments
from bipedal.errors import UserError
from bipedal.live.share import render_page
from bipedal.live.watch import PageServer, Watched

pytest_plugins = ["pages"]


@contextmanager
def serving(server: PageServer) -> Iterator[PageServer]:
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def run_dir(tmp_path: Path, make_model: ModelMaker) -> Path:
    """A run that has found a model."""
    (tmp_path / "run" / "saved_models").mkdir(parents=True)
    save_best(tmp_path / "run", make_model())
    return tmp_path / "run"


def save_best(run_dir: Path, policy: Any) -> None:
    save_model(run_dir / "saved_models" / "best_model.pth", policy)


@pytest.fixture
def server(run_dir: Path) -> Iterator[PageServer]:
    with serving(PageServer("the page", Watched([str(run_dir)]))) as server:
        yield server


def ask(
    server: PageServer, path: str = "/", method: str = "GET", **headers: str
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_only_the_page_and_the_models_are_given_out(server: PageServer) -> None:
    assert ask(server) == (200, b"the page")
    assert ask(server, Host=f"localhost:{server.server_port}")[0] == 200
    for path in ("/index.html", "/../pyproject.toml", "//etc/passwd", "/%2e%2e/x", "/models.json/"):
        assert ask(server, path) == (404, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_only_get_is_answered(server: PageServer, method: str) -> None:
    assert ask(server, method=method)[0] == 501


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", ""])
def test_other_names_of_the_host_are_refused(server: PageServer, host: str) -> None:
    for path in ("/", "/models.json"):
        assert ask(server, path, Host=host) == (403, b"")


def test_the_server_is_on_this_machine_alone(server: PageServer) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_a_better_model_is_given_out_once(
    server: PageServer, run_dir: Path, make_model: ModelMaker
) -> None:
    first = json.loads(ask(server, "/models.json")[1])
    known = f"/models.json?known={first['revision']}"
    assert ask(server, known) == (204, b"")
    better = make_model((5, 7))
    better.info["timesteps"] = 1_250_000
    save_best(run_dir, better)
    status, body = ask(server, known)
    second = json.loads(body)
    assert status == 200
    assert second["note"] == "1.25 million timesteps"
    assert second["models"] != first["models"]
    assert ask(server, f"/models.json?known={second['revision']}") == (204, b"")


def test_a_model_that_is_being_saved_stays_as_it_was(server: PageServer, run_dir: Path) -> None:
    revision = json.loads(ask(server, "/models.json")[1])["revision"]
    path = run_dir / "saved_models" / "best_model.pth"
    whole = path.read_bytes()
    for damage in (whole[:100], None):
        if damage is None:
            path.unlink()
        else:
            path.write_bytes(damage)
        assert ask(server, f"/models.json?known={revision}")[0] == 204
    path.write_bytes(whole)
    assert ask(server, "/models.json")[0] == 200


@needs_chromium
def test_the_page_goes_on_with_the_better_model(
    browser: Browser, run_dir: Path, make_model: ModelMaker
) -> None:
    watched = Watched([str(run_dir)])
    page = render_page(watched.named, seed=1, revision=watched.revision)
    with serving(PageServer(page, watched)) as server:
        browser.go(server.url)
        better = make_model((5, 7))
        better.info["timesteps"] = 2_000_000
        save_best(run_dir, better)
        browser.wait_for("document.getElementById('status').textContent.includes('2.00 million')")
    assert browser.complaints == []


@needs_chromium
def test_a_shared_page_can_ask_nobody(browser: Browser, page: Path) -> None:
    browser.open(page)
    answer = browser.call(
        "Runtime.evaluate", expression="fetch('data:,x').then(() => 'answered', () => 'refused')",
        awaitPromise=True,
    )  # fmt: skip
    assert answer["result"]["value"] == "refused"


def test_ctrl_c_ends_the_command_with_0(model_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "bipedal", "watch", str(model_path), "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\n", process.stdout.readline())
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    assert out == ""
    assert "Traceback" not in error


@pytest.mark.parametrize("models", [["nowhere"], ["pretrained:walker", "nowhere"]])
def test_a_model_that_is_not_there_is_named(
    capsys: pytest.CaptureFixture[str], models: list[str]
) -> None:
    assert cli.main(["watch", *models, "--no-browser"]) == 2
    assert "there is no model nowhere" in capsys.readouterr().err


def test_the_address_is_opened_in_a_browser(
    monkeypatch: pytest.MonkeyPatch, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []

    def stop(self: PageServer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(PageServer, "serve_forever", stop)
    assert cli.main(["watch", str(model_path)]) == 0
    assert capsys.readouterr().out == f"{opened[0]}\n"


def test_a_run_without_a_model_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="best_model"):
        Watched([str(tmp_path)])


def test_without_models_the_packages_own_walks(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["watch", "--help"]) == 0
    out = capsys.readouterr().out
    assert "usage: bipedal watch [MODEL ...] [OPTIONS]" in out
    assert "[pretrained:walker]" in out
    assert load_model(WatchArguments.models[0])
