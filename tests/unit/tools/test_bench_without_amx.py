"""Denying AMX, in a process of its own: it cannot be taken back."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

_CHILD = """
import ctypes, errno
from tools.bench.without_amx import deny_amx
ask = lambda request, *more: ctypes.CDLL(None, use_errno=True).syscall(158, request, *more)
deny_amx()
assert ask(0x1023, 18) == -1 and ctypes.get_errno() == errno.EPERM, "tiles are refused"
assert ask(0x1022, ctypes.byref(ctypes.c_ulong())) == 0 or ctypes.get_errno() != errno.EPERM, "all else is as it was"
"""


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="Linux on x86-64 has AMX")
def test_tiles_are_refused_and_nothing_else() -> None:
    done = subprocess.run([sys.executable, "-c", _CHILD], cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
