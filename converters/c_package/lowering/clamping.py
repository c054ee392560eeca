"""The range that a fused activation leaves to float32 outputs."""

from __future__ import annotations

import math

from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.enums import Activation
from edgebnn.graph.ops.fused import real_bounds


def open_range(op: OpView, activation: Activation) -> tuple[float, float]:
    """What ``activation`` clamps to, infinite where it is open.

    Raises:
        UnsupportedOpError: it does not clamp.
    """
    low, high = real_bounds(op, activation)
    return -math.inf if low is None else low, math.inf if high is None else high
