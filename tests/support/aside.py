"""Releases that stand beside the environment (tools/side_packages.py): programs that run with one of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.side_packages import Release, folder

_PREAMBLE = """
import sys, types
sys.modules["tensorflow"] = None  # of another version than the release knows
for name in {unused!r}: sys.modules[name] = types.ModuleType(name)
"""


def require(release: Release) -> Path:
    """Its folder; the test is skipped where it is not installed."""
    if not folder(release).is_dir():
        pytest.skip(f"{'=='.join(release)} is not there: run python3 tools/side_packages.py")
    return folder(release)


def run(release: Release, program: str, *arguments: str, unused: tuple[str, ...] = ()) -> str:
    """What a program prints that imports the release. ``unused``: modules that it loads for nothing."""
    environment = {**os.environ, "PYTHONPATH": str(require(release))}
    command = [sys.executable, "-c", _PREAMBLE.format(unused=unused) + program, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout
