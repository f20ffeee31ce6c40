"""What only a GPU can show: `python -m pytest -m cuda` on a machine that has one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_training_loop import TOY, assert_resumes_exactly
from torch import Tensor, nn

from bipedal import capture
from bipedal.adam import Adam
from bipedal.capture import Captured
from bipedal.device import choose_device
from bipedal.engines.warp import WarpEngine
from bipedal.initial import new_policy
from bipedal.learner import Learner
from bipedal.networks import flatten_parameters
from bipedal.walker import ENV_IDS

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]
CONFIG = replace(TOY, device="cuda", num_envs=64, rollout_steps=33, minibatch_size=500)


@pytest.fixture
def device() -> torch.device:
    return choose_device("cuda", 1)


@pytest.fixture
def may_wait_again() -> Iterator[None]:
    """After the test, the host may wait for the GPU as usual."""
    yield
    torch.cuda.set_sync_debug_mode("default")


def test_a_graph_takes_new_inputs_and_what_its_own_tensors_hold_now(device: torch.device) -> None:
    offset = torch.zeros((), device=device)
    add = Captured(lambda tensor: (2.0 * tensor + offset).sum(), device)
    for number in range(4):
        offset.fill_(100.0 * number)
        assert float(add(torch.full((3,), float(number), device=device))) == 306.0 * number


def test_gradient_steps_in_a_graph_are_those_without(device: torch.device) -> None:
    torch.manual_seed(0)
    first = nn.Linear(3, 2).to(device)
    second = nn.Linear(3, 2).to(device)
    second.load_state_dict(first.state_dict())

    def make_step(net: nn.Linear) -> tuple[Adam, Callable[[Tensor], Tensor]]:
        optimizer = Adam(flatten_parameters(net), 0.1, 1e-5)

        def step(inputs: Tensor) -> Tensor:
            optimizer.gradient.zero_()
            loss: Tensor = net(inputs).square().mean()
            loss.backward()
            optimizer.step()
            return loss.detach()

        return optimizer, step

    (first_adam, plain), (second_adam, recorded) = make_step(first), make_step(second)
    captured = Captured(recorded, device)
    for number in range(5):
        for adam in (first_adam, second_adam):
            adam.set_rate(0.1 / (1 + number))
        inputs = torch.randn(4, 3, device=device)
        torch.testing.assert_close(plain(inputs), captured(inputs))
    torch.testing.assert_close(first.weight, second.weight)


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_the_engine_has_the_bits_of_the_cpu_also_in_a_graph(
    env_id: str, device: torch.device
) -> None:
    generator = torch.Generator().manual_seed(0)
    with (
        closing(WarpEngine(env_id, 40, 7)) as cpu,
        closing(WarpEngine(env_id, 40, 7, device=str(device))) as gpu,
    ):
        assert torch.equal(cpu.reset(), gpu.reset().cpu())
        step = Captured(gpu.step, device)
        for _ in range(300):
            actions = 2.0 * torch.rand(40, 4, generator=generator) - 1.0
            expected, found = cpu.step(actions), step(actions.to(device))
            for name, tensor in expected._asdict().items():
                assert torch.equal(tensor, getattr(found, name).cpu()), name
        gpu.check_overflow()


@pytest.mark.usefixtures("may_wait_again")
def test_a_rollout_and_a_step_wait_for_nothing(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "records", lambda device: False)
    policy = new_policy(CONFIG).to(device)
    generator = torch.Generator(device).manual_seed(0)
    with closing(Learner(CONFIG, policy, generator)) as learner:
        learner.learn(0)
        torch.cuda.set_sync_debug_mode("error")  # an operation for which the host waits is one
        with torch.no_grad():
            learner.collector._play()
        learner._compute_advantages()
        index = torch.arange(500, device=device)
        learner._update._improve_policy([[index]])
        learner._update._improve_value([[index]])


@pytest.mark.parametrize("frames", [1, 3])
def test_training_with_graphs_is_that_without(
    frames: int, device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(CONFIG, frames=frames)
    weights: list[Tensor] = []
    for records in (True, False):
        monkeypatch.setattr(capture, "records", lambda device, records=records: records)
        policy = new_policy(config).to(device)
        generator = torch.Generator(device).manual_seed(0)
        with closing(Learner(config, policy, generator)) as learner:
            for iteration in range(4):
                learner.learn(iteration * config.batch_size)
        weights.append(torch.cat([p.detach().flatten() for p in policy.parameters()]))
    torch.testing.assert_close(*weights, rtol=1e-3, atol=1e-4)


def test_a_run_resumes_exactly(tmp_path: Path) -> None:
    config = replace(CONFIG, total_timesteps=5 * CONFIG.batch_size)
    assert_resumes_exactly(config, tmp_path, stop_after=2)
