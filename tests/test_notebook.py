"""The tour runs from top to bottom, on a budget too small to learn anything."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from bipedal.presets import PRESETS

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "RL_Bipedal_Locomotion.ipynb"


def test_is_valid_and_saved_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_its_advice_can_be_followed() -> None:
    """It names presets that exist, trains Hardcore from nothing, and leaves no blank to fill in."""
    text = "\n".join(cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells)
    presets = re.findall(r"--preset (\S+)", text)
    assert presets[0] == "hardcore"
    assert set(presets) <= set(PRESETS)
    assert "ADDRESS" not in text


@pytest.mark.reference
def test_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any cell that raises fails this test (`CellExecutionError`)."""
    monkeypatch.setenv("BIPEDAL_TOTAL_TIMESTEPS", "16384")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    (tmp_path / "work").mkdir()
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=120,
        resources={"metadata": {"path": str(tmp_path / "work")}},
    ).execute()

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    data = [output.data for output in outputs if "data" in output]
    assert sum("video/mp4;base64," in part.get("text/html", "") for part in data) == 2
    assert sum("image/png" in part for part in data) == 3  # objective, learning curve, gait
    text = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "16,384 of 16,384 timesteps" in text
    assert len(re.findall(r"mean return", text)) == 3
    assert (tmp_path / "work" / "runs" / "BipedalWalker-v3-default-seed0" / "metrics.csv").exists()
