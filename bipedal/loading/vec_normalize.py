"""Read the statistics that Stable-Baselines3's VecNormalize has pickled, without running anything.

Such a pickle holds more than statistics: the spaces, generators of random numbers, the last
observations. All of that becomes objects that ignore what they are given.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Sequence
from typing import Any, ClassVar

from bipedal.errors import UserError
from bipedal.loading.layers import LARGEST_SHOWN
from bipedal.normalizer import ObservationNormalizer
from bipedal.safe_pickle import (
    Attributes,
    StatisticsUnpickler,
    is_known,
    make_normalizer,
    to_array,
)

MAX_STATISTICS_BYTES = 1 << 20
"""It grows with the number of environments, by about 150 bytes each."""

LARGEST_OBSERVATION = 1e6
"""Nothing that this robot observes comes near it."""

_IGNORED_LIBRARIES = ("gym.", "gymnasium.", "numpy.")
"""Names of these that no statistics need stand for something that is ignored."""
_STATISTICS = ("stable_baselines3.common.running_mean_std", "RunningMeanStd")
_VEC_NORMALIZE = ("stable_baselines3.common.vec_env.vec_normalize", "VecNormalize")
_KIND = "the statistics of Stable-Baselines3's VecNormalize"


class _Settings(Attributes):
    """Stands for VecNormalize."""


class _Ignored:
    """Stands for what no statistics need: takes anything, does nothing."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


class _Unpickler(StatisticsUnpickler):
    """Ignores more names than its parent knows, and takes less of what can be made to explode.

    Its files may be large. So it takes no bytes written as text, which a pickle of a kilobyte can
    ask for a thousand times, and hashes only texts: a tuple a million deep overflows the stack.
    """

    stateful: ClassVar[tuple[type, ...]] = (*StatisticsUnpickler.stateful, _Ignored)
    dispatch: ClassVar[dict[int, Any]] = dict(StatisticsUnpickler.dispatch)
    for _opcode in (pickle.DICT, pickle.EMPTY_SET, pickle.FROZENSET):
        del dispatch[_opcode[0]]

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == _STATISTICS:
            return Attributes
        if (module, name) == _VEC_NORMALIZE:
            return _Settings
        if module.startswith(_IGNORED_LIBRARIES) and not is_known(module, name):
            return _Ignored
        if module == "_codecs":
            raise pickle.UnpicklingError("no pickle of VecNormalize is as old as that")
        return super().find_class(module, name)

    def load_setitem(self) -> None:
        _check_keys(self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self) -> None:
        _check_keys(self.stack[::2])
        super().load_setitems()

    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems


def _check_keys(keys: Sequence[object]) -> None:
    if not all(isinstance(key, str) for key in keys):
        raise pickle.UnpicklingError("a key that is no text")


def parse_vec_normalize(data: bytes, source: str) -> ObservationNormalizer | None:
    """Read a pickled VecNormalize; None if it leaves observations as they are.

    `source` names the data in messages. Raises `UserError` for anything else, and for statistics
    that are not of this robot.
    """
    try:
        pickled = _Unpickler(io.BytesIO(data)).load()
        if not isinstance(pickled, _Settings):
            raise ValueError("not VecNormalize")
        settings = pickled.attributes
        if settings.get("norm_obs") is False:
            return None
        clip, epsilon = (float(to_array(settings[name])) for name in ("clip_obs", "epsilon"))
        statistics = settings["obs_rms"]
    except UserError as error:
        raise UserError(f"{source} is refused: {error}") from None
    except Exception:
        raise UserError(f"{source} does not hold {_KIND}, or only a part of it") from None
    normalizer = make_normalizer(statistics, source, _KIND)
    normalizer.clip, normalizer.epsilon = clip, epsilon
    divisible = 0 <= epsilon < math.inf and bool((normalizer.var + epsilon > 0).all())
    if not clip > 0 or not divisible or not _largest_shown(normalizer) <= LARGEST_SHOWN:
        raise UserError(f"{source} holds a clip or an epsilon with which nothing can be normalised")
    return normalizer


def _largest_shown(normalizer: ObservationNormalizer) -> float:
    """No normalised number is larger."""
    deviation = (normalizer.var + normalizer.epsilon).sqrt()
    furthest = (LARGEST_OBSERVATION + normalizer.mean.abs()) / deviation
    return min(normalizer.clip, float(furthest.max()))
