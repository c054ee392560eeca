#!/usr/bin/env python3
"""Installs the ai-edge-litert releases that the delegate is tested with, each into a folder of its own.

Usage: python3 tools/litert_versions.py [VERSION ...]   (default: all of VERSIONS)

They go to .venv/litert/VERSION, without their dependencies: the environment's own serve all of them. What is there
already stays. A folder appears only when it is whole, so a killed run leaves nothing half installed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"
FOLDER = ROOT / ".venv" / "litert"

VERSIONS = ("1.2.0", "1.4.0", "2.0.3", "2.1.6", "2.3.0")


def installed(version: str) -> bool:
    return (FOLDER / version / "ai_edge_litert").is_dir()


def install(version: str) -> bool:
    """Whether the release is there now."""
    if installed(version):
        return True
    print(f"[edgebnn] installing ai-edge-litert {version} into {FOLDER.relative_to(ROOT)}/{version}", flush=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=FOLDER))
    try:
        python = str(PYTHON) if PYTHON.exists() else sys.executable
        command = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(temporary)]
        result = subprocess.run([*command, f"ai-edge-litert=={version}"], check=False)
        if result.returncode:
            print(f"[edgebnn] ai-edge-litert {version} cannot be installed (pip ended with {result.returncode})")
            return False
        temporary.rename(FOLDER / version)
        return True
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def main() -> None:
    missing = [version for version in sys.argv[1:] or VERSIONS if not install(version)]
    if missing:
        sys.exit(f"[edgebnn] not installed: ai-edge-litert {', '.join(missing)}")


if __name__ == "__main__":
    main()
