#!/usr/bin/env python3
"""From a fresh clone to the whole chain on real data: makes .venv, installs edgebnn, runs ``edgebnn demo``.

Usage: python3 tools/demo.py [--fast] [any option of `edgebnn demo`]
"""

from __future__ import annotations

import os
import sys

from environment import PYTHON, ROOT, ensure_environment, say, training_stack


def main() -> None:
    if missing := training_stack():
        sys.exit(f"[edgebnn] {missing}")
    ensure_environment(["train", "mcu"])
    command = [str(PYTHON), "-m", "edgebnn", "demo", *sys.argv[1:]]
    say("running: edgebnn demo " + " ".join(sys.argv[1:]))
    os.chdir(ROOT)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
