#!/usr/bin/env python3
"""Installs releases that tests compare with and the environment cannot hold, each into a folder of its own.

Usage: python3 tools/side_packages.py

They go to .venv/aside/NAME-VERSION, without their dependencies: the environment's own serve, where any are needed. What
is there already stays. A folder appears only when it is whole, so a killed run leaves nothing half installed. Exit 1 if
a release of LiteRT is missing at the end; others may have no wheel here, and tests that need them are skipped.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"
FOLDER = ROOT / ".venv" / "aside"

LITERT = tuple(("ai-edge-litert", version) for version in ("1.2.0", "1.4.0", "2.0.3", "2.1.6", "2.3.0"))
"""Those that the delegate is tested with."""
TFLITE_SUPPORT = ("tflite-support", "0.4.4")
"""The official reader and writer of TFLite's metadata; wheels up to Python 3.11."""
MEDIAPIPE = ("mediapipe", "1.2.3")
"""It has the official schema of the metadata, and tasks that read them."""

Release = tuple[str, str]


def folder(release: Release) -> Path:
    """Where a release is, once it is installed."""
    return FOLDER / "-".join(release)


def install(release: Release) -> bool:
    """Whether the release is there now."""
    place, requirement = folder(release), "==".join(release)
    if place.is_dir():
        return True
    print(f"[edgebnn] installing {requirement} into {place.relative_to(ROOT)}", flush=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=FOLDER))
    try:
        python = str(PYTHON) if PYTHON.exists() else sys.executable
        command = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(temporary), requirement]
        result = subprocess.run(command, check=False)
        if result.returncode:
            print(f"[edgebnn] {requirement} cannot be installed (pip ended with {result.returncode})")
            return False
        temporary.rename(place)
        return True
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def main() -> None:
    missing = [release for release in (*LITERT, TFLITE_SUPPORT, MEDIAPIPE) if not install(release)]
    if set(missing) & set(LITERT):
        sys.exit(f"[edgebnn] not installed: {', '.join('=='.join(release) for release in missing)}")


if __name__ == "__main__":
    main()
