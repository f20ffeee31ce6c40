"""Tell Gymnasium of the environments without importing Gymnasium.

`import bipedal` must stay cheap, and importing Gymnasium and NumPy takes most of a quarter of a
second. So where Gymnasium is there already, the environments are registered at once, and otherwise
when it is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType


def register_environments() -> None:
    """Register `bipedal/BipedalWalker-v3` and `bipedal/BipedalWalkerHardcore-v3`, now or later."""
    if "gymnasium" in sys.modules:
        _register_now()
    else:
        sys.meta_path.insert(0, _AfterGymnasium())


def _register_now() -> None:
    from bipedal.engines import registration

    registration.register_environments()


class _AfterGymnasium(MetaPathFinder):
    """Waits for the import of Gymnasium, lets it happen, registers, and is gone."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where the module is found, if it is Gymnasium; all others are left to other finders."""
        if fullname != "gymnasium":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module: ModuleType) -> None:
                execute(module)
                _register_now()

            spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec
