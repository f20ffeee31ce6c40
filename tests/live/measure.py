"""Print the figures of docs/live.md: `PYTHONPATH=tests python tests/live/measure.py`.

Speeds are per second of processor time, so that other jobs of the machine matter little; frames
are what a browser shows, so for them the machine should be idle.
"""

from __future__ import annotations

import gzip
import json
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from browser import PAGE_MODELS, Browser, open_browser
from test_engine import longest, of_episode, run_job

from bipedal.checkpoint import load_model
from bipedal.engines.warp import WarpEngine
from bipedal.live import ENGINE
from bipedal.live.share import write_page
from bipedal.walker import ENV_IDS

EPISODES = 10
SECONDS = 10.0

_COUNT_FRAMES = """new Promise((done) => {
  const began = performance.now();
  let frames = 0;
  const count = () => {
    frames += 1;
    const seconds = (performance.now() - began) / 1000;
    if (seconds < %f) requestAnimationFrame(count);
    else done(frames / seconds);
  };
  requestAnimationFrame(count);
})"""


def measure_steps(env_id: str) -> dict[str, float]:
    """Steps a second of the longest recorded episode: in node, and in one thread of this package.

    The package is made for many robots at once: one alone pays for every call.
    """
    job = of_episode(env_id, longest(env_id))
    (wasm,) = np.frombuffer(run_job("speed", episodes=EPISODES, **job))
    return {
        "webassembly": round(wasm),
        "native, 1 robot": round(native_speed(env_id, job, robots=1)),
        "native, 64 robots": round(native_speed(env_id, job, robots=64)),
    }


def native_speed(env_id: str, job: Mapping[str, Any], robots: int) -> float:
    """Steps a second of processor time, of all robots together."""
    actions = torch.from_numpy(job["actions"])[:, None].expand(-1, robots, -1).contiguous()
    seeds = [job["seed"]] * robots
    with closing(WarpEngine(env_id, robots, seeds, threads=1, autoreset=False)) as engine:
        engine.reset(seeds)
        engine.step(actions[0])
        began = time.process_time()
        for _ in range(max(1, EPISODES // robots)):
            engine.reset(seeds)
            for action in actions:
                engine.step(action)
        steps = max(1, EPISODES // robots) * len(actions) * robots
        return steps / (time.process_time() - began)


def measure_frames(browser: Browser, page: Path) -> dict[str, Any]:
    """Frames a second, and the share of a processor that the page's tab takes."""
    browser.open(page)
    ready = browser.text("ready")
    browser.call("Performance.enable")
    before = task_seconds(browser)
    frames = browser.call(
        "Runtime.evaluate", expression=_COUNT_FRAMES % SECONDS, awaitPromise=True,
        returnByValue=True,
    )["result"]["value"]  # fmt: skip
    busy = (task_seconds(browser) - before) / SECONDS
    return {"frames": round(frames, 1), "busy": round(busy, 3), "ready": ready}


def task_seconds(browser: Browser) -> float:
    """s that the tab's main thread has worked."""
    metrics = browser.call("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


def main() -> None:
    """Print everything as one JSON object."""
    result: dict[str, Any] = {env_id: measure_steps(env_id) for env_id in ENV_IDS}
    wasm = ENGINE.read_bytes()
    result["engine.wasm"] = {"bytes": len(wasm), "compressed": len(gzip.compress(wasm))}
    names = {1: PAGE_MODELS[1:], 2: PAGE_MODELS, 4: PAGE_MODELS[1:] * 4}
    with tempfile.TemporaryDirectory() as directory, open_browser() as browser:
        for robots, models in names.items():
            page = Path(directory) / f"{robots}.html"
            write_page([(name, load_model(name)) for name in models], page)
            result[f"{robots} robots"] = {
                **measure_frames(browser, page), "bytes": page.stat().st_size,
            }  # fmt: skip
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
