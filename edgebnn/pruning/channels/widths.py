"""Widths: how many channels each group of a network has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Widths: TypeAlias = Mapping[str, int]
"""Channels by the names of the groups, see :class:`.coupling.Group`."""


def smallest(widths: Widths, prunable: Sequence[str], step: int) -> dict[str, int]:
    """The least widths that a search in multiples of ``step`` can come to."""
    return {**widths, **{name: min(widths[name], step) for name in prunable}}
