"""Every experiment that trains over seeds, on one harness; see `bipedal study`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from bipedal.errors import UserError

if TYPE_CHECKING:
    from bipedal.studies.study import Study

MODULES = {
    "dynamics": "dynamics",
    "kneeling": "kneeling",
    "statistics": "inference",
    "algorithms": "algorithms",
    "hardcore": "hardcore",
    "hardcore-levers": "hardcore_levers",
    "seeds": "seeds",
}
"""The module of each study."""


def find_study(name: str) -> Study:
    """Look a study up; UserError with the known names if there is none.

    What `bipedal search` tries is one too, so that it runs wherever trials do; people cannot ask
    for it, as it has no arms.
    """
    if name == "search":
        from bipedal.search.candidate import CANDIDATE

        return CANDIDATE
    if name not in MODULES:
        raise UserError(f"unknown study {name!r}: choose one of {', '.join(MODULES)}")
    study: Study = importlib.import_module(f"bipedal.studies.{MODULES[name]}").STUDY
    return study
