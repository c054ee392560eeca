"""Settings every test shares."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Some tests import LCE, and with it TensorFlow, before edgebnn does: both must meet Keras 2 (see edgebnn._tensorflow).
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# One profile for CI (repeatable, bounded) and one for hunting: `HYPOTHESIS_PROFILE=thorough pytest ...`.
settings.register_profile(
    "ci", max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
