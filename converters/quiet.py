"""Silences the converters, which print to the process's standard output and error from C++ as well as from Python."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_lock = threading.RLock()  # the descriptors are the process's: whoever restores them first must have changed them last


@contextmanager
def captured() -> Iterator[Callable[[], str]]:
    """Collects what is written to file descriptors 1 and 2 inside the block; the value yielded returns it so far.

    Python's warnings are dropped. Other threads of the process are silenced too, and take
    turns with it.
    """
    with _lock, tempfile.TemporaryFile() as sink, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sys.stdout.flush()
        sys.stderr.flush()
        saved = os.dup(1), os.dup(2)
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)
        try:
            yield lambda: _content(sink.fileno())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, original in zip((1, 2), saved, strict=True):
                os.dup2(original, number)
                os.close(original)


def _content(descriptor: int) -> str:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")
