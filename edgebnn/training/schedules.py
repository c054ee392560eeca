"""Learning rates by step: a plain function of the step's number, so that a resumed run continues the same curve."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

# each: the share of the way done, in [0, 1) -> factor on the learning rate
SCHEDULES: Mapping[str, Callable[[float], float]] = MappingProxyType(
    {
        "constant": lambda done: 1.0,
        "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),  # Loshchilov and Hutter, SGDR, ICLR 2017
    }
)


def learning_rate(peak: float, schedule: str, step: int, total_steps: int, warmup_steps: int = 0) -> float:
    """The rate of step number ``step`` (from 0) of ``total_steps``: a linear warm-up to ``peak``, then the schedule."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return peak * SCHEDULES[schedule]((step - warmup_steps) / max(1, total_steps - warmup_steps))
