"""Optional data for tests: too large for the repository, so their absence only skips the tests that need it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_FOLDER = Path(os.environ.get("EDGEBNN_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


def data_file(name: str) -> Path:
    """``name`` in the data folder: $EDGEBNN_DATA, else ../shared/data beside the checkout. Skips without it."""
    path = _FOLDER / name
    if not path.exists():
        pytest.skip(f"needs {path}; set EDGEBNN_DATA to the folder that holds {name}")
    return path
