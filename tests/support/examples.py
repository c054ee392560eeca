"""How many cases a property-based test draws."""

from __future__ import annotations

import os

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
_TIMES = {"ci": 1, "thorough": 25}


def examples(number: int) -> int:
    """Of a test that draws ``number`` cases in CI, those of this run."""
    return number * _TIMES[PROFILE]
