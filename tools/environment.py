"""The project's own environment: ``.venv`` with edgebnn and its extras, made once and reused.

Standard library only: this runs before anything is installed. What a fresh Debian lacks (python3-venv, a
compiler for the sanitizer tests, a browser for the report test) is installed with apt when we are root,
and named with the command to run otherwise.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "edgebnn-setup"
TRAINING_PYTHONS = ((3, 10), (3, 11), (3, 12))
"""Those that TensorFlow 2.16 and LCE's converter have wheels for."""


def say(message: str) -> None:
    print(f"[edgebnn] {message}", flush=True)


def run(command: list[str], **environment: str) -> None:
    """Run a step, showing its output; stop with one line that names the step when it fails."""
    result = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment})
    if result.returncode:
        sys.exit(f"[edgebnn] failed ({result.returncode}): {' '.join(command)}")


def ensure_debian_packages(programs: dict[str, str]) -> None:
    """Install the Debian packages of ``programs`` that are missing, where that is possible: of a program's name, or of
    a file's absolute path."""
    missing = sorted({package for name, package in programs.items() if not (shutil.which(name) or Path(name).exists())})
    if not missing:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        say(
            f"not installed: {', '.join(missing)}; tests that need them are skipped. Install them with: "
            f"apt-get install {' '.join(missing)}"
        )
        return
    say(f"installing Debian packages: {', '.join(missing)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-qq"], **quiet)
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], **quiet)


def ensure_environment(extras: list[str]) -> None:
    """Make ``.venv`` and install edgebnn with ``extras``, unless that was done for this very setup.py and Python."""
    if _installed(extras) and PYTHON.exists():
        say(f"environment {VENV} is ready")
        return
    started = time.monotonic()
    if not PYTHON.exists():
        say(f"making {VENV}")
        if importlib.util.find_spec("ensurepip") is None:
            version = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
            _install_or_stop(version)
        run([sys.executable, "-m", "venv", str(VENV)])
    say(f"installing edgebnn[{','.join(extras)}] (TensorFlow among it: a few minutes the first time)")
    run([str(PYTHON), "-m", "pip", "install", "--quiet", "--upgrade", "pip", "setuptools", "wheel"])
    run([str(PYTHON), "-m", "pip", "install", *_quiet(), "-e", f".[{','.join(extras)}]"])
    _remember(extras)
    say(f"environment ready after {time.monotonic() - started:.0f} s")


def ensure_oracles(modules: list[str]) -> None:
    """Install what tests compare with, where that is possible: the tests of what is missing are skipped."""
    extra = ["oracles"]
    if not _installed(extra):
        say(f"installing what some tests compare with: {', '.join(modules)}")
        command = [str(PYTHON), "-m", "pip", "install", "--quiet", "-e", ".[oracles]"]
        if subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0:
            _remember(extra)
    missing = [
        name
        for name in modules
        if subprocess.run([str(PYTHON), "-c", f"import {name}"], capture_output=True).returncode
    ]
    if missing:
        say(f"not installed here: {', '.join(missing)}; the tests that compare with them are skipped")


def _installed(extras: list[str]) -> bool:
    """Whether ``extras`` of this very setup.py were installed by this Python."""
    return STAMP.exists() and _digest(extras) in STAMP.read_text(encoding="utf-8").split()


def _remember(extras: list[str]) -> None:
    """More than one set of extras may have been installed into the same environment; each is remembered."""
    with STAMP.open("a", encoding="utf-8") as stamp:
        stamp.write(f"\n{_digest(extras)}")


def _digest(extras: list[str]) -> str:
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    return hashlib.sha256("\n".join([setup, sys.version, *sorted(extras)]).encode()).hexdigest()


def training_stack() -> str:
    """Empty where the training stack can be installed, else what works and what to do, in one line."""
    if sys.version_info[:2] in TRAINING_PYTHONS:
        return ""
    version = ".".join(map(str, sys.version_info[:2]))
    return (
        f"TensorFlow 2.16 and LCE's converter have no wheels for Python {version}: running, checking and measuring "
        ".tflite files works here (pip install .); for training, conversion and the demo take Python 3.10, 3.11 or 3.12"
    )


def _install_or_stop(package: str) -> None:
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        sys.exit(f"[edgebnn] Python's venv module is missing: run 'apt-get install {package}' and start again")
    say(f"installing Debian package {package}")
    run(["apt-get", "update", "-qq"])
    run(["apt-get", "install", "-y", "-qq", package], DEBIAN_FRONTEND="noninteractive")


def _quiet() -> list[str]:
    """pip's progress bars only help a person who watches."""
    return [] if sys.stdout.isatty() else ["--quiet"]
