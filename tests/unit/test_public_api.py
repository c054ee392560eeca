"""What ``import edgebnn`` offers, and what it does not load for it."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import edgebnn

CODE = """
import sys
import edgebnn
edgebnn.preprocessing.preprocess, edgebnn.runtime.delegate_path, edgebnn.__version__
print(sorted(name for name in ("ai_edge_litert", "tensorflow", "tf_keras") if name in sys.modules))
"""


def test_modules_and_version_answer_at_once_and_load_no_runtime() -> None:
    shown = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_every_public_name_answers() -> None:
    assert all(getattr(edgebnn, name) is not None for name in edgebnn.__all__)
    assert set(edgebnn.__all__) == set(dir(edgebnn))


def test_the_version_is_that_of_the_package() -> None:
    assert edgebnn.__version__ == metadata.version("edgebnn")
