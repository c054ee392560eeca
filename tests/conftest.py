"""Settings every test shares."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# One profile for CI (repeatable, bounded) and one for hunting: `HYPOTHESIS_PROFILE=thorough pytest ...`.
settings.register_profile("ci", max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
