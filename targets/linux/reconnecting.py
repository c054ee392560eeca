"""Work on a device whose connection is lost is done again, until the device is back or given up."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable
from typing import TypeVar

from edgebnn.errors import InputWarning

from .device import ConnectionLostError

RECONNECT_SECONDS = 120.0
"""For so long a device that was lost is tried again: a Raspberry Pi that starts anew takes about half of it."""
_LONGEST_PAUSE = 8.0

Result = TypeVar("Result")


def until_back(work: Callable[[], Result], mend: Callable[[], object], name: str, is_closed: threading.Event) -> Result:
    """What ``work`` gives, done again where the connection is lost meanwhile: at once, and then after longer pauses.

    Args:
        work: what needs the device.
        mend: makes what ``work`` needs anew, before each further try.
        name: of the device, for the warning that comes once it does not answer at once.
        is_closed: set where nobody waits for the device any more.

    Raises:
        ConnectionLostError: the device did not come back within :data:`RECONNECT_SECONDS`, or nobody waits.
        EdgebnnError: as ``work`` and ``mend`` do for another reason.
    """
    pause, begun = 0.0, 0.0
    while True:
        try:
            if begun:
                mend()
            return work()
        except ConnectionLostError as error:
            now = time.monotonic()
            begun = begun or now
            if now + pause - begun > RECONNECT_SECONDS:
                raise
            if pause == 1.0:
                message = f"{name}: {error}; it is tried again for {RECONNECT_SECONDS:.0f} s"
                warnings.warn(message, InputWarning, stacklevel=2)
            if pause and is_closed.wait(pause):
                raise
            pause = min(2 * pause or 1.0, _LONGEST_PAUSE)
