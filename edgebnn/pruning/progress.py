"""Where a pruning stands, told while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Progress:
    """Where a pruning stands.

    ``stage`` is ``"table"`` while layers are measured for a latency table, ``"search"`` while proposals are trained,
    ``"accepted"`` once when an iteration ends, ``"long_term"`` in the training at the end, ``"note"`` for something
    that the user should know (``message``). ``done`` of ``total`` layers, proposals of this iteration, or steps of the
    training, are finished. ``layer`` and ``accuracy`` are those of the proposal, iteration or training step that was
    finished last, ``predicted`` the current network's resource. ``seconds_left`` is estimated from the pace so far;
    None until there is one.
    """

    stage: str
    iteration: int = 0
    iterations: int = 0
    done: int = 0
    total: int = 0
    layer: str = ""
    accuracy: float | None = None
    predicted: float = 0.0
    target: float = 0.0
    budget: float = 0.0
    unit: str = ""
    seconds_left: float | None = None
    message: str = ""


ProgressCallback: TypeAlias = Callable[[Progress], None]
