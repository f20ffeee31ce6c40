"""A search on two machines of a Ray cluster, one of which is lost on the way.

The machines are network namespaces: each has its own addresses and processes, and they share
nothing but a cable.
"""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ray")
pytestmark = pytest.mark.slow
MACHINES = {"bipedal-a": "10.97.31.1", "bipedal-b": "10.97.31.2"}
CANDIDATES = 6


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def inside(machine: str, *command: str) -> list[str]:
    return ["ip", "netns", "exec", machine, *command]


@contextlib.contextmanager
def two_machines() -> Iterator[None]:
    """Two network namespaces with a cable between them."""
    first, second = MACHINES
    try:
        for machine in MACHINES:
            run("ip", "netns", "add", machine)
            run(*inside(machine, "ip", "link", "set", "lo", "up"))
        run("ip", "link", "add", first, "netns", first, "type", "veth", "peer", second, "netns", second)  # fmt: skip  # noqa: E501
        for machine, address in MACHINES.items():
            run(*inside(machine, "ip", "address", "add", f"{address}/24", "dev", machine))
            run(*inside(machine, "ip", "link", "set", machine, "up"))
        yield
    finally:
        for machine in MACHINES:
            pull_the_plug(machine)
            subprocess.run(["ip", "netns", "delete", machine], capture_output=True)


def pull_the_plug(machine: str) -> None:
    """Kill every process of a machine at once."""
    pids = subprocess.run(["ip", "netns", "pids", machine], capture_output=True, text=True).stdout
    for pid in map(int, pids.split()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)


def start_ray(machine: str, folder: Path) -> None:
    """Make a machine with one core a node of the cluster; the first is its head."""
    ray = str(Path(sys.executable).parent / "ray")
    first = MACHINES["bipedal-a"]
    if machine == "bipedal-a":
        where = ["--head", "--port", "6379", "--include-dashboard=false", f"--temp-dir={folder}"]
    else:
        where = ["--address", f"{first}:6379"]
    options = ["--num-cpus", "1", f"--node-ip-address={MACHINES[machine]}", "--disable-usage-stats"]
    run(*inside(machine, ray, "start", *where, *options))


def test_a_search_goes_on_when_a_machine_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("ip") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("network namespaces need root and iproute2")
    out = tmp_path / "search"
    short = Path("/tmp") / f"ray-{os.getpid()}"  # names of sockets have at most 107 characters
    token = tmp_path / "token"
    token.write_text(secrets.token_hex(32))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")  # without it Ray takes no other machines
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    with two_machines():
        for machine in MACHINES:
            start_ray(machine, short)
        address = f"{MACHINES['bipedal-a']}:6379"
        command = [
            *(sys.executable, "-m", "bipedal", "search", "--out", str(out)),
            *("--candidates", str(CANDIDATES), "--seeds", "2", "--timesteps", "65536"),
            *("--jobs", "2", "--address", address),
        ]
        with open(tmp_path / "log.txt", "w") as log:
            search = subprocess.Popen(inside("bipedal-a", *command), stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 600
            while len(list((out / "trials").glob("*.json"))) < 2:
                assert search.poll() is None, (tmp_path / "log.txt").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.2)
            pull_the_plug("bipedal-b")
            assert search.wait(600) == 0, (tmp_path / "log.txt").read_text()
        finally:
            search.kill()
            shutil.rmtree(short, ignore_errors=True)
    records = [json.loads(path.read_text()) for path in (out / "trials").glob("*.json")]
    assert sorted(record["number"] for record in records) == list(range(CANDIDATES))
    assert {record["status"] for record in records} <= {"done", "pruned"}
    assert (out / "best.toml").exists()
