"""Long proofs of the training loop: that it learns, and that kills lose nothing."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_training_loop import TOY, read_rows, without_clock

from bipedal import training_loop
from bipedal.checkpoint import load_model, load_state
from bipedal.presets import PRESETS
from bipedal.run_directory import prepare_run


@pytest.mark.slow
def test_learns_to_stand_and_to_move(tmp_path: Path) -> None:
    """A real training, 300,000 timesteps: far from falling at once (about -100)."""
    returns = []
    config = replace(PRESETS["default"], total_timesteps=300_000, final_episodes=0)
    training_loop.train(
        config, tmp_path / "run", on_iteration=lambda p: returns.append(p.mean_return)
    )
    assert returns[-1] > returns[0] + 50


@pytest.mark.slow
def test_twenty_kills(tmp_path: Path) -> None:
    """SIGKILL at twenty random moments: nothing unreadable, little lost, the same end."""
    save_seconds = 0.5
    config = replace(TOY, total_timesteps=1000 * 256, evaluation_interval=100)
    training_loop.train(config, tmp_path / "whole")
    run_dir = tmp_path / "killed"
    (tmp_path / "go.py").write_text(
        "import pathlib, sys\n"
        "from bipedal import training_loop\n"
        "from bipedal.run_directory import read_run_config\n"
        "if __name__ == '__main__':\n"
        f"    training_loop.SAVE_SECONDS = {save_seconds}\n"
        "    run = pathlib.Path(sys.argv[1])\n"
        "    training_loop.train(read_run_config(run), run, resume=True)\n"
    )
    prepare_run(run_dir, config)
    metrics, resume = run_dir / "metrics.csv", run_dir / "saved_models/resume.pt"
    rng = random.Random(0)
    saved, lost = [], []
    for round_ in range(20):
        before = metrics.read_bytes() if metrics.exists() else b""
        process = subprocess.Popen([sys.executable, str(tmp_path / "go.py"), str(run_dir)])
        if round_ % 4:  # in the middle of training; else at any moment from the start
            while not metrics.exists() or len(metrics.read_bytes()) <= len(before):
                assert process.poll() is None
                before = min(before, metrics.read_bytes() if metrics.exists() else b"", key=len)
                time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 2.0))
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        for path in run_dir.rglob("*.pth"):
            load_model(path)
        if resume.exists():
            state = load_state(resume)
            saved.append(state["iteration"])
            last = [row for row in read_rows(metrics) if row["time/elapsed"]][-1]
            lost.append(float(last["time/elapsed"]) - state["elapsed"])
    print("saved at iterations", saved, "lost seconds", [round(seconds, 2) for seconds in lost])
    assert len(set(saved)) >= 5  # kills in the middle of training, not only while it starts
    assert max(lost) < save_seconds + 2.0  # and one iteration, with its evaluation
    training_loop.train(config, run_dir, resume=True)
    for name in ("best_model.pth", "checkpoint_1000.pth"):
        ours, theirs = (
            load_model(run / "saved_models" / name) for run in (tmp_path / "whole", run_dir)
        )
        assert all(
            torch.equal(a, b)
            for a, b in zip(ours.actor.parameters(), theirs.actor.parameters(), strict=True)
        )
    assert without_clock(metrics) == without_clock(tmp_path / "whole/metrics.csv")
