"""What an engine saves may be stepped; what it never saves is refused before a kernel reads it."""

from typing import Any

import numpy as np
import pytest
import torch

from bipedal.engines.warp import WarpEngine
from bipedal.errors import UserError
from bipedal.physics.soundness import LARGEST, RANGES
from bipedal.walker import HARDCORE_ID, WALKER_ID

ROWS = 4


@pytest.fixture(scope="module")
def engine() -> Any:
    engine = WarpEngine(HARDCORE_ID, ROWS, seed=3)
    engine.reset()
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        engine.step(2.0 * torch.rand(ROWS, 4, generator=generator) - 1.0)
    yield engine
    engine.close()


def changed(engine: WarpEngine, path: str, value: float) -> dict[str, torch.Tensor]:
    """A snapshot with one number of its last row replaced."""
    snapshot = {name: rows.clone() for name, rows in engine.state().items()}
    name, *fields = path.split(".")
    like = engine._saved()[name].numpy()
    rows = snapshot[name].numpy().view(like.dtype).reshape(ROWS, *like.shape[1:])
    column = rows
    for field in fields:
        column = column[field]
    column[(ROWS - 1, *(0 for _ in column.shape[1:]))] = value
    return snapshot


@pytest.mark.parametrize("env_id", [WALKER_ID, HARDCORE_ID])
def test_what_an_engine_saves_is_sound(env_id: str) -> None:
    engine = WarpEngine(env_id, ROWS, seed=0)
    engine.reset()
    generator = torch.Generator().manual_seed(1)
    for step in range(400):
        action = 4.0 * torch.rand(ROWS, 4, generator=generator) - 2.0
        engine.step(torch.zeros(ROWS, 4) if step > 250 else action)  # comes to rest, and sleeps
        if step % 20 == 0:
            engine.restore(engine.state())
    engine.close()


@pytest.mark.parametrize("path", RANGES)
def test_an_integer_out_of_its_range_is_refused(engine: WarpEngine, path: str) -> None:
    before = engine.state()
    low, high = RANGES[path]
    for value in (low - 1, high + 1):
        if value < 0 and path == "generator.has_kept":  # unsigned
            continue
        with pytest.raises(UserError, match=f"damaged: {path} is out of range"):
            engine.restore(changed(engine, path, value))
    after = engine.state()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("value", [np.nan, np.inf, -2.0 * LARGEST])
@pytest.mark.parametrize(
    "path", ["height", "box", "body.center", "joint.impulse", "contact.manifold.normal", "start_x"]
)
def test_a_number_that_nothing_measures_is_refused(
    engine: WarpEngine, path: str, value: float
) -> None:
    with pytest.raises(UserError, match=f"damaged: {path} is out of range"):
        engine.restore(changed(engine, path, value))


def test_a_difficulty_that_makes_no_terrain_is_refused(engine: WarpEngine) -> None:
    with pytest.raises(UserError, match="finite and not negative"):
        engine.restore(changed(engine, "difficulty", -1.0))
