"""Write a policy in the format that a file's suffix names, with where it comes from."""

from __future__ import annotations

from pathlib import Path

from bipedal import __version__
from bipedal.errors import UserError
from bipedal.evaluation.score import Evaluation, mean_interval
from bipedal.export.c_header import c_header
from bipedal.export.layers import GreedyPolicy, greedy_policy
from bipedal.export.onnx_file import onnx_bytes
from bipedal.files import atomic_write, reason
from bipedal.policy import Policy

FORMATS = (".onnx", ".h")
ORIGINS = ("preset", "seed", "timesteps")
"""What a model file says of its training that is passed on."""


def check_format(out: Path) -> None:
    """UserError if no format has this suffix."""
    if out.suffix.lower() not in FORMATS:
        raise UserError(f"cannot export to {out}: the file name must end in .onnx or .h")


def export_policy(policy: Policy, out: Path, score: Evaluation | None = None) -> Path:
    """Write a greedy policy as `.onnx` or as a C header, `.h`; returns `out`.

    `score` is noted in the file. Raises `UserError` for another suffix, for a policy with memory,
    where the file cannot be written, and for `.onnx` where onnx is not installed.
    """
    check_format(out)
    greedy = greedy_policy(policy)
    metadata = _metadata(policy, greedy, score)
    if out.suffix.lower() == ".h":
        data = c_header(greedy, metadata).encode()
    else:
        data = onnx_bytes(greedy, metadata)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        atomic_write((out, data))
    except OSError as error:
        raise UserError(f"cannot write {out}: {reason(error)}") from None
    return out


def _metadata(policy: Policy, greedy: GreedyPolicy, score: Evaluation | None) -> dict[str, str]:
    """Where the policy comes from and how well it does, as text."""
    facts: dict[str, object] = {"bipedal_version": __version__, "env_id": policy.env_id}
    facts |= {name: policy.info[name] for name in ORIGINS if name in policy.info}
    facts["statistics_sha256"] = greedy.statistics_sha256
    if score is not None:
        interval = mean_interval(score.returns)
        facts["score_mean_return"] = f"{score.mean_return:.3f}"
        if interval is not None:
            facts["score_interval"] = f"{interval[0]:.3f} {interval[1]:.3f}"
        facts["score_episodes"] = len(score.episodes)
        facts["score_first_seed"] = score.seed
    return {name: str(value) for name, value in facts.items()}
