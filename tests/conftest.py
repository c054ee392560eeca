"""Settings every test shares."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from tests.support.examples import PROFILE, examples

# Some tests import LCE, and with it TensorFlow, before edgebnn does: both must meet Keras 2 (see edgebnn._tensorflow).
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# One profile for CI (repeatable, bounded) and one for hunting (tools/test.py --thorough).
for name, derandomize in (("ci", True), ("thorough", False)):
    settings.register_profile(
        name,
        max_examples=examples(40),
        deadline=None,
        derandomize=derandomize,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(PROFILE)
