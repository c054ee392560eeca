#!/usr/bin/env python3
"""Makes the Python of Raspberry Pi OS (Debian for ARM), to be run here by qemu-user: without a board, chroot or root.

Usage: python3 tools/arm_python.py [NAME ...]   (default: all of SYSTEMS; prints how each is started)

The targets qemu-aarch64 and qemu-armv7 run models in the same systems; here they are made for a look around, and for
trying wheels in.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from edgebnn.files import cache_folder
from edgebnn.targets.linux.user_lands import SYSTEMS, UnavailableError, UserLand, make


def fetch_wheels(python: UserLand, requirements: Sequence[str], folder: Path, with_dependencies: bool = True) -> None:
    """Downloads the wheels that the system's pip would take into ``folder``. Raises UnavailableError."""
    system = python.system
    version = system.python.replace(".", "")
    kinds = [f"manylinux_2_{minor}_{system.processor}" for minor in range(17, system.glibc + 1)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", str(folder)]
    command += ["--python-version", system.python, "--implementation", "cp"]
    command += [text for abi in (f"cp{version}", "abi3", "none") for text in ("--abi", abi)]
    command += [text for kind in (*kinds, f"manylinux2014_{system.processor}") for text in ("--platform", kind)]
    command += [] if with_dependencies else ["--no-deps"]
    result = subprocess.run([*command, *requirements], capture_output=True, text=True, errors="replace", check=False)
    if result.returncode:
        errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR")] or [result.stderr]
        raise UnavailableError(f"wheels for {system.name} cannot be downloaded: {errors[0]}")


def install(python: UserLand, wheel: Path, wheels: Path, home: Path) -> dict[str, str]:
    """Has the system's own pip install ``wheel`` from the folder ``wheels`` alone, below ``home``.

    Returns what the environment needs for the system's Python to find it. Raises RuntimeError with what pip said.
    """
    (pip,) = (python.root / "usr" / "share" / "python-wheels").glob("pip-*.whl")
    offline = ["--no-index", "--no-cache-dir", "--find-links", str(wheels)]
    quiet = ["--quiet", "--no-compile", "--no-warn-script-location"]
    command = [f"{pip}/pip", "install", "--user", "--break-system-packages", *offline, *quiet, str(wheel)]
    environment = {"PYTHONUSERBASE": str(home), "PIP_CONFIG_FILE": os.devnull}
    result = python.run(command, **environment)
    if result.returncode:
        raise RuntimeError(f"pip in {python.system.name}: {result.stderr}{result.stdout}")
    return environment


def main() -> None:
    for name in sys.argv[1:] or SYSTEMS:
        if name not in SYSTEMS:
            sys.exit(f"[edgebnn] {name}: no such system; known: {', '.join(SYSTEMS)}")
        try:
            python = make(SYSTEMS[name], cache_folder() / "arm")
        except UnavailableError as error:
            sys.exit(f"[edgebnn] {error}")
        settings = " ".join(f"{key}={value}" for key, value in python.environment.items())
        print(f"{name}: {settings} {' '.join(python.command)}")


if __name__ == "__main__":
    main()
