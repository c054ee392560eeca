"""What a forked process must not go on with: locks that another thread held, and interpreters whose threads are gone.

A fork copies the memory of a process and one of its threads. What was loaded can be used on in the child, and its
memory is shared with the parent as long as neither changes it; but not an interpreter that another thread was just
running, nor one with threads of its own, which the child lacks: a run would wait for them for ever, and so would its
destruction. Such ones are left alone in the child, and made anew when they are needed.
"""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """A thing for one thread at a time, also after a fork.

    Args:
        thing: what is taken in turns.
        threads: that it runs with; with more than one it cannot go on in a child.

    Attributes:
        thing: what is taken in turns.
        stale: this is a forked process in which the thing cannot go on.
    """

    def __init__(self, thing: T, threads: int) -> None:
        self.thing = thing
        self._threads = threads
        self._lock = threading.Lock()
        self._taken = False
        self.stale = False
        _children().add(self)

    @contextmanager
    def take(self) -> Iterator[None]:
        """Wait for the turn, and hold it."""
        with self._lock:
            self._taken = True
            try:
                yield
            finally:
                self._taken = False

    def in_child(self) -> None:
        """Called in a forked process, before anything else runs there."""
        self._lock = threading.Lock()
        if self._taken or self._threads > 1:
            self.stale = True
            # never to be destroyed here, which would wait for threads that the parent has
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.thing))
        self._taken = False

    def renew(self, thing: T) -> None:
        """Go on with another thing, made in this process."""
        self.thing, self.stale = thing, False


@lru_cache(maxsize=1)
def _children() -> weakref.WeakSet[Turns[Any]]:
    """All turns of this process, each told in children of it."""
    found: weakref.WeakSet[Turns[Any]] = weakref.WeakSet()

    def tell() -> None:
        for turns in list(found):
            turns.in_child()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=tell)
    return found
