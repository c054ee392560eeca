"""Processor time of a call, in a module of its own so that another process can import it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def timed(fn: Callable[..., Any], *args: Any) -> tuple[Any, float]:
    """What ``fn`` returns, and the seconds of processor time that this process took for it."""
    started = time.process_time()
    return fn(*args), time.process_time() - started
