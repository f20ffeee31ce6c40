"""How hyperparameters change while training goes on: pure functions of its progress."""

from __future__ import annotations


def linear_learning_rate(initial: float, final: float, progress: float) -> float:
    """Learning rate annealed linearly from `initial` to `final` as `progress` goes to 1."""
    return initial + (final - initial) * min(1.0, progress)


def geometric(initial: float, final: float, progress: float) -> float:
    """From `initial` to `final`, both above 0, by equal factors as `progress` goes to 1.

    Exact where the two are equal: rounding would make a constant go up and down.
    """
    progress = min(1.0, progress)
    return initial if initial == final else float(initial ** (1.0 - progress) * final**progress)


def adaptive_learning_rate(
    current: float, kl: float, target_kl: float, bounds: tuple[float, float] = (1e-5, 1e-2)
) -> float:
    """Next learning rate that keeps the policy's change near `target_kl` nats an iteration.

    The idea of PPO section 4 (there for the penalty β) applied to the step size, with rsl_rl's
    numbers: divide by 1.5 where the measured KL is above twice the target, multiply by 1.5 where
    it is below half, within `bounds`.
    """
    if kl > 2.0 * target_kl:
        return max(current / 1.5, min(current, bounds[0]))
    if kl < 0.5 * target_kl:
        return min(current * 1.5, max(current, bounds[1]))
    return current
