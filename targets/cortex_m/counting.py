"""Counts what an emulator executes: every translated block by a hook in C, instructions from the blocks afterwards."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from unicorn import Uc
from unicorn.unicorn_const import UC_HOOK_BLOCK
from unicorn.unicorn_py3.unicorn import uclib

from edgebnn.files import cache_folder
from edgebnn.runtime import build

Blocks = NDArray[np.void]
"""Executed blocks of code: fields address, size (bytes), executions, taken (times that it was left by a jump)."""

_BLOCK = np.dtype([("executions", "<u8"), ("taken", "<u8"), ("address", "<u4"), ("size", "<u4")])
_SLOTS = 1 << 17
_SOURCE = Path(__file__).parent / "counter.c"
_FAILURES = {
    1: "does not end: the limit of executed blocks is reached",
    2: f"executes more than {_SLOTS * 3 // 4} different blocks of code, too many to be counted",
}


class _Counter(ctypes.Structure):
    """``eb_counter`` of counter.c."""

    _fields_ = (
        ("blocks", ctypes.c_void_p),
        ("mask", ctypes.c_uint32),
        ("used", ctypes.c_uint32),
        ("remaining", ctypes.c_uint64),
        ("last", ctypes.c_void_p),
        ("stop", ctypes.c_void_p),
        ("failed", ctypes.c_uint32),
    )


class BlockCounter:
    """Counts the blocks that an engine executes from now on."""

    def __init__(self, engine: Uc) -> None:
        self._blocks = np.zeros(_SLOTS, _BLOCK)
        self._counter = _Counter(
            blocks=self._blocks.ctypes.data,
            mask=_SLOTS - 1,
            stop=ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p).value,
        )
        self._handle = ctypes.c_size_t()
        self._engine = engine
        error = uclib.uc_hook_add(
            engine._uch,
            ctypes.byref(self._handle),
            UC_HOOK_BLOCK,
            ctypes.cast(_hook(), ctypes.c_void_p),
            ctypes.cast(ctypes.byref(self._counter), ctypes.c_void_p),
            ctypes.c_uint64(1),
            ctypes.c_uint64(0),
        )
        if error:
            raise RuntimeError(f"unicorn refuses a hook: error {error}")

    def start(self, limit: int) -> None:
        """From zero; the engine is stopped after ``limit`` blocks."""
        if self._counter.used:
            self._blocks[:] = 0
        self._counter.used = self._counter.failed = 0
        self._counter.last = None
        self._counter.remaining = limit

    def failure(self) -> str:
        """Why the engine was stopped, or not all is counted; empty if all went well."""
        return _FAILURES.get(self._counter.failed, "")

    def read(self) -> Blocks:
        """What was executed since the start, by address."""
        return np.sort(self._blocks[self._blocks["executions"] > 0], order=["address", "size"])


def difference(later: Blocks, earlier: Blocks) -> Blocks:
    """What was executed between two readings of one run."""
    before = {(block["address"], block["size"]): block for block in earlier}
    result = later.copy()
    for block in result:
        known = before.get((block["address"], block["size"]))
        if known is not None:
            block["executions"] -= known["executions"]
            block["taken"] -= known["taken"]
    return result[result["executions"] > 0]


@lru_cache
def _hook() -> Any:
    """The hook, compiled for this machine where the cache does not hold it."""
    compiler = build.find_compiler()
    made_of = "\0".join((_SOURCE.read_text(encoding="utf-8"), compiler.identity, *compiler.command, platform.machine()))
    path = cache_folder() / f"libedgebnn-counter-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.so"
    if not os.path.isfile(path):
        build.compile(path, [build.Source(_SOURCE)], compiler)
    return ctypes.CDLL(str(path)).eb_count_block
