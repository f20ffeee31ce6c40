"""Where a run lives: on the CPU, or on a GPU that is big enough, young enough and free."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from bipedal.errors import RunFailedError, UserError

CPU = torch.device("cpu")
ENOUGH_FOR_A_GPU = 2048
"""Environments from which on `auto` takes a GPU. An H200 steps 1,024 in the time of 32."""


def choose_device(
    name: str,
    num_envs: int,
    say: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
) -> torch.device:
    """Find the device that `--device` names; `auto` says which it takes where there is a choice.

    Raises `UserError` for a GPU that cannot be used.
    """
    if name == "auto" and torch.cuda.is_available():
        gpu = torch.cuda.get_device_name()
        if num_envs >= ENOUGH_FOR_A_GPU:
            say(f"--device auto trains on the {gpu}")
            return _usable_gpu()
        say(
            f"--device auto trains on the CPU: {num_envs} environments are too few for the {gpu}, "
            f"which --device cuda takes; preset gpu has {ENOUGH_FOR_A_GPU}"
        )
    return _usable_gpu() if name == "cuda" else CPU


def _usable_gpu() -> torch.device:
    """The first GPU, once it has done a sum."""
    if torch.version.cuda is None:
        raise UserError(
            "--device cuda: there is no GPU that PyTorch can use here, because this PyTorch is "
            "built for CPUs: install its CUDA build, or choose --device cpu"
        )
    if not torch.cuda.is_available():
        raise UserError(
            "--device cuda: there is no GPU that PyTorch can use here: choose --device cpu"
        )
    device = torch.device("cuda", torch.cuda.current_device())
    try:
        torch.ones(2, device=device).sum().item()
    except RuntimeError as error:
        raise UserError(
            f"--device cuda: the {torch.cuda.get_device_name(device)} {_complaint(error)}"
        ) from None
    return device


def _complaint(error: RuntimeError) -> str:
    """What is wrong with a GPU that cannot do a sum, and what to do."""
    text = str(error).splitlines()[0]
    if "no kernel image" in text:
        return (
            "is not one of the GPUs that this PyTorch is built for "
            f"({', '.join(torch.cuda.get_arch_list())}): install another build, or choose "
            "--device cpu"
        )
    if "out of memory" in text:
        return "has no memory left: end what else runs on it, or choose --device cpu"
    if "busy or unavailable" in text:
        return "is used by another process: end that, or choose --device cpu"
    return f"does not work ({text}): choose --device cpu"


@contextmanager
def short_memory_explained() -> Iterator[None]:
    """Raise `RunFailedError` with what to do where a GPU has too little memory for a run."""
    try:
        yield
    except RuntimeError as error:  # Warp's is of no class of its own
        short = isinstance(error, torch.OutOfMemoryError) or "Failed to allocate" in str(error)
        if not short:
            raise
        raise RunFailedError(
            "the GPU has too little memory for this run: choose a smaller --num-envs, "
            "--rollout-steps or --minibatch-size, end what else runs on it, or choose --device cpu"
        ) from None
