"""Optional data for tests: too large for the repository, so their absence only skips the tests that need it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def data_file(name: str) -> Path:
    """``name`` in the folder that EDGEBNN_DATA names. Skips the test without it."""
    folder = os.environ.get("EDGEBNN_DATA")
    if not folder or not (Path(folder) / name).exists():
        pytest.skip(f"optional data: set EDGEBNN_DATA to the folder that holds {name}")
    return Path(folder) / name
