"""Where a run lives, and what is said of a GPU that cannot be used."""

from __future__ import annotations

import pytest
import torch

from bipedal.device import CPU, ENOUGH_FOR_A_GPU, choose_device, short_memory_explained
from bipedal.errors import RunFailedError, UserError
from bipedal.presets import get_preset


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let PyTorch claim that there is a GPU."""
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "Old Card")
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_90"])
    return monkeypatch


def test_without_a_gpu_auto_is_the_cpu_and_says_nothing(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto", 64, said.append) == CPU
    assert said == []


@pytest.mark.usefixtures("gpu")
def test_a_few_environments_stay_on_the_cpu_and_auto_says_so_in_one_line(said: list[str]) -> None:
    assert choose_device("auto", 64, said.append) == CPU
    (line,) = said
    assert "trains on the CPU" in line and "the Old Card, which --device cuda takes" in line
    assert "\n" not in line
    assert choose_device("cpu", 4096, said.append) == CPU
    assert len(said) == 1


def test_many_environments_go_to_the_gpu(gpu: pytest.MonkeyPatch, said: list[str]) -> None:
    gpu.setattr(torch, "ones", lambda *_, **__: torch.zeros(2))
    assert get_preset("gpu").num_envs >= ENOUGH_FOR_A_GPU
    assert choose_device("auto", ENOUGH_FOR_A_GPU, said.append) == torch.device("cuda", 0)
    assert said == ["--device auto trains on the Old Card"]
    assert choose_device("auto", ENOUGH_FOR_A_GPU - 1, said.append) == CPU


@pytest.mark.parametrize(
    ("cuda", "why"), [(None, "this PyTorch is built for CPUs"), ("13.0", "choose --device cpu")]
)
def test_no_gpu_at_all(cuda: str | None, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=f"no GPU that PyTorch can use here.*{why}"):
        choose_device("cuda", 1)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            "CUDA error: no kernel image is available for execution on the device\nCompile with",
            r"the Old Card is not one of the GPUs that this PyTorch is built for \(sm_75, sm_90\)",
        ),
        ("CUDA out of memory. Tried to allocate", "the Old Card has no memory left"),
        (
            "CUDA error: CUDA-capable device(s) is/are busy or unavailable",
            "the Old Card is used by another process",
        ),
        ("CUDA error: unknown\nmore", r"the Old Card does not work \(CUDA error: unknown\)"),
    ],
)
def test_a_gpu_that_cannot_do_a_sum(error: str, words: str, gpu: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(error)

    gpu.setattr(torch, "ones", fail)
    with pytest.raises(UserError, match=f"^--device cuda: {words}.*choose --device cpu$"):
        choose_device("cuda", 1)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("Failed to allocate 8589934592 bytes on device 'cuda:0'"),
    ],
)
def test_too_little_memory_is_one_sentence(error: RuntimeError) -> None:
    told = pytest.raises(RunFailedError, match=r"too little memory.*a smaller --num-envs")
    with told, short_memory_explained():
        raise error


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="another"), short_memory_explained():
        raise RuntimeError("another")
