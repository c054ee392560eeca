"""How much of the C heap is in use, exactly: what a leak adds to, and a peak of resident memory hides."""

from __future__ import annotations

import ctypes

import pytest


class _MallInfo(ctypes.Structure):
    """``struct mallinfo2`` of glibc's malloc.h."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks"),
            "keepcost",
        )
    )


def bytes_in_use() -> int:
    """Bytes allocated and not freed, by this thread's heap and by single mappings. Skips where glibc is too old."""
    info = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if info is None:
        pytest.skip("needs mallinfo2, of glibc 2.33 and later")
    info.restype = _MallInfo
    found = info()
    return int(found.uordblks) + int(found.hblkhd)
