"""What tests have training processes do, and what is left of them; without TensorFlow, which is slow to import."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable

import numpy as np
import psutil

from edgebnn import machine

SECONDS = 20.0


def training_processes() -> list[psutil.Process]:
    """Those that this process has started and that are still there."""
    return [child for child in psutil.Process().children() if any("popen_loky" in word for word in _command(child))]


def _command(process: psutil.Process) -> list[str]:
    """How it was started; nothing of one that has ended, such as a converter's that nobody has waited for yet."""
    try:
        return process.cmdline()
    except (psutil.ZombieProcess, psutil.NoSuchProcess):
        return []


def nothing() -> None:
    """Settles nothing: these processes import no TensorFlow."""


def generated() -> tuple[int, str]:
    """As TensorFlow does, leaves a file where temporary files go: (process, file)."""
    print("not an answer")
    handle, name = tempfile.mkstemp("__autograph_generated_file.py")
    os.close(handle)
    return os.getpid(), name


def slowly() -> int:
    time.sleep(4)
    return os.getpid()


def die(message: str) -> None:
    os.write(2, message.encode())
    os.abort()


def grow() -> int:
    np.ones(2 * machine.peak_memory(), np.uint8)
    return os.getpid()


def eventually(condition: Callable[[], bool]) -> bool:
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > SECONDS:
            return False
        time.sleep(0.05)
    return True


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
