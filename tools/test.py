#!/usr/bin/env python3
"""From a fresh clone to every check: set-up, lint, types, and all tests, the demo in its fast form among them.

Usage: python3 tools/test.py [--thorough] [any option of pytest]   (options given: only pytest runs, with them)

--thorough hunts: tests that draw their cases draw 25 times as many, from a fresh seed, which is printed.
"""

from __future__ import annotations

import os
import secrets
import sys

from environment import (
    PYTHON,
    ROOT,
    ensure_debian_packages,
    ensure_environment,
    ensure_oracles,
    run,
    say,
    training_stack,
)

EXTRAS = ["train", "mcu", "dev"]
ORACLES = ["nn_dataflow", "tflite_micro"]
DEBIAN = {
    "gcc": "gcc",
    "chromium": "chromium",
    "qemu-aarch64-static": "qemu-user-static",
    "qemu-aarch64": "qemu-user",
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu",
    "/usr/aarch64-linux-gnu/include/string.h": "libc6-dev-arm64-cross",
    "qemu-system-arm": "qemu-system-arm",
    "llvm-mca-19": "llvm-19",
    "sshd": "openssh-server",
    "valgrind": "valgrind",
}


def check_style() -> None:
    say("style: ruff")
    run([str(PYTHON), "-m", "ruff", "check", "."])
    run([str(PYTHON), "-m", "ruff", "format", "--check", "--quiet", "."])


def check_types() -> None:
    """mypy --strict over the package as it is imported: converters/ and targets/ below edgebnn/, by links."""
    say("types: mypy --strict")
    tree = ROOT / "build" / "types" / "edgebnn"
    tree.mkdir(parents=True, exist_ok=True)
    parts = {part.name: part for part in (ROOT / "edgebnn").iterdir() if part.name != "__pycache__"}
    parts |= {name: ROOT / name for name in ("converters", "targets")}
    for link in tree.iterdir():
        link.unlink()
    for name, part in parts.items():
        (tree / name).symlink_to(part)
    run([str(PYTHON), "-m", "mypy", "-p", "edgebnn"], MYPYPATH=str(tree.parent))
    scripts = sorted(str(path) for path in (ROOT / "tools").glob("*.py"))
    run([str(PYTHON), "-m", "mypy", *scripts], MYPYPATH=f"{tree.parent}:{ROOT / 'tools'}")
    packages = ["-p", "tools.bench", "-p", "tools.experiments"]
    run([str(PYTHON), "-m", "mypy", *packages], MYPYPATH=f"{tree.parent}:{ROOT}")


def optional_data() -> dict[str, str]:
    """The environment that names the folder of large optional data, if it lies beside the checkout."""
    beside = ROOT.parent / "shared" / "data"
    return {} if "EDGEBNN_DATA" in os.environ or not beside.is_dir() else {"EDGEBNN_DATA": str(beside)}


def thorough() -> tuple[list[str], dict[str, str]]:
    """Options of pytest and the environment for many new cases; to see a failure again, give the printed option."""
    seed = f"--hypothesis-seed={secrets.randbelow(2**32)}"
    say(f"thorough: {seed}")
    return [seed], {"HYPOTHESIS_PROFILE": "thorough"}


def main() -> None:
    missing = training_stack()
    if missing:
        say(f"{missing}; tests that need them are skipped")
    ensure_environment([extra for extra in EXTRAS if not (missing and extra == "train")])
    ensure_debian_packages(DEBIAN)
    ensure_oracles(ORACLES)
    options = [option for option in sys.argv[1:] if option != "--thorough"]
    hunting, environment = thorough() if "--thorough" in sys.argv else ([], {})
    if not options and not missing:
        run([str(PYTHON), "tools/side_packages.py"])
        check_style()
        check_types()
    say("tests: pytest")
    whole = ["-n", "2", "--dist", "worksteal", "--durations", "40", "--durations-min", "10"]
    command = [str(PYTHON), "-m", "pytest", *(options or whole), *hunting]
    run(command, **environment, **optional_data())


if __name__ == "__main__":
    main()
