"""Serve the live page on this machine, and give it better models while a run trains."""

from __future__ import annotations

import hashlib
import json
import os
import webbrowser
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import urlsplit

from bipedal.checkpoint import load_model, resolve_model_path
from bipedal.errors import UserError
from bipedal.live.share import Progress, describe_policy, render_page, shown_name
from bipedal.policy import Policy

ADDRESS = "127.0.0.1"


class Watched:
    """The models that a page shows; a run's best model may be replaced by a better one."""

    def __init__(self, specs: Sequence[str]) -> None:
        """Read the models; `UserError` if one cannot be read."""
        self._specs = specs
        self._stamps = [_stamp(spec) for spec in specs]
        self.policies: list[Policy] = [load_model(spec) for spec in specs]

    @property
    def named(self) -> list[tuple[str, Policy]]:
        """The models with their names."""
        return list(zip(self._specs, self.policies, strict=True))

    @property
    def revision(self) -> str:
        """A word that changes when a model does."""
        return hashlib.sha256(repr(self._stamps).encode()).hexdigest()[:16]

    def refresh(self) -> None:
        """Read models whose files have changed; one that cannot be read stays as it was."""
        for number, spec in enumerate(self._specs):
            stamp = _stamp(spec)
            if stamp == self._stamps[number]:
                continue
            try:
                self.policies[number] = load_model(spec)
            except UserError:  # a save is under way
                continue
            self._stamps[number] = stamp

    def to_json(self) -> dict[str, Any]:
        """What `page/follow.mjs` takes."""
        return {
            "revision": self.revision,
            "models": [describe_policy(shown_name(name), policy) for name, policy in self.named],
            "note": "; ".join(_note(policy) for policy in self.policies),
        }


def _stamp(spec: str) -> tuple[int, int] | None:
    """When a model's file was written, and how long it is; None if it is not there."""
    try:
        facts = os.stat(resolve_model_path(spec))
    except (UserError, OSError):
        return None
    return facts.st_mtime_ns, facts.st_size


def _note(policy: Policy) -> str:
    """How far a model's training was."""
    timesteps = policy.info.get("timesteps")
    if not isinstance(timesteps, int):
        return "of unknown age"
    return f"{timesteps / 1e6:.2f} million timesteps"


class PageServer(ThreadingHTTPServer):
    """Answers GET of the page and of later models, from this machine, and nothing else."""

    daemon_threads = True

    def __init__(self, page: str, watched: Watched) -> None:
        """Listen on a free port; nothing is answered before `serve_forever`."""
        super().__init__((ADDRESS, 0), _Handler)
        self.page = page
        self.watched = watched

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self.server_port}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names by which a browser may ask: another site's page can make its own name lead here."""
        return tuple(f"{name}:{self.server_port}" for name in (ADDRESS, "localhost"))


class _Handler(BaseHTTPRequestHandler):
    """Answers one request; what is not GET gets 501 from the base class."""

    server_version = "bipedal"
    sys_version = ""
    timeout = 10

    def do_GET(self) -> None:
        """Answer with the page, with models that the page does not know, or not at all."""
        server = cast(PageServer, self.server)
        path, query = urlsplit(self.path)[2:4]
        if self.headers.get("Host") not in server.hosts:
            self._answer(HTTPStatus.FORBIDDEN)
        elif path == "/":
            self._answer(HTTPStatus.OK, server.page, "text/html; charset=utf-8")
        elif path == "/models.json":
            server.watched.refresh()
            if query == f"known={server.watched.revision}":
                self._answer(HTTPStatus.NO_CONTENT)
            else:
                text = json.dumps(server.watched.to_json(), allow_nan=False)
                self._answer(HTTPStatus.OK, text, "application/json")
        else:
            self._answer(HTTPStatus.NOT_FOUND)

    def _answer(self, status: HTTPStatus, text: str = "", kind: str = "text/plain") -> None:
        body = text.encode()
        self.send_response(status)
        if status is not HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal is the user's."""


def watch(
    specs: Sequence[str],
    *,
    seed: int = 0,
    browser: bool = True,
    progress: Progress = lambda items, total: items,
    say: Callable[[str], None] = print,
) -> None:
    """Serve a page of these models until Ctrl-C, and open it in a browser.

    `say` is told the address. Raises `UserError` as `write_page` does.
    """
    watched = Watched(specs)
    page = render_page(watched.named, seed=seed, progress=progress, revision=watched.revision)
    with PageServer(page, watched) as server:
        try:
            say(server.url)
            if browser:
                webbrowser.open(server.url)
            server.serve_forever()
        except KeyboardInterrupt:
            return
