"""Channels as numbers: which of them live and die together is a union-find over single channels.

A tensor's last axis is an array of channel numbers, so that a concatenation is ``np.concatenate``, a flatten is
``np.tile``, a depthwise multiplier is ``np.repeat``, and an addition unites two arrays element by element.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ids: TypeAlias = NDArray[np.int64]


class Channels:
    """Numbers handed out in the order of the graph, so that the smallest of united ones is the first produced."""

    def __init__(self) -> None:
        self._parent: list[int] = []
        self._owner: list[str] = []
        self._reason: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._parent)

    def new(self, count: int, owner: str) -> Ids:
        """``count`` channels that the layer ``owner`` produces."""
        first = len(self._parent)
        self._parent.extend(range(first, first + count))
        self._owner.extend([owner] * count)
        return np.arange(first, first + count, dtype=np.int64)

    def unite(self, a: Ids, b: Ids) -> None:
        """Channel ``a[i]`` can only be cut together with ``b[i]``; the arrays are equally long."""
        if a is b:
            return
        for i, j in zip(a.tolist(), b.tolist(), strict=True):
            first, second = sorted((self._find(i), self._find(j)))
            self._parent[second] = first

    def freeze(self, ids: Ids, reason: str) -> None:
        """These channels cannot be cut; the first reason given is the one that is told."""
        for i in ids.tolist():
            self._reason.setdefault(i, reason)

    def _find(self, i: int) -> int:
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i

    def roots(self) -> Ids:
        """For every channel the first of those it is united with."""
        return np.array([self._find(i) for i in range(len(self))], dtype=np.int64)

    def owner(self, root: int) -> str:
        return self._owner[root]

    def reasons(self, roots: Ids) -> dict[int, str]:
        """Why channels are frozen, by root; of several reasons that of the first channel."""
        found: dict[int, str] = {}
        for i in sorted(self._reason):
            found.setdefault(int(roots[i]), self._reason[i])
        return found


def concatenated(parts: Sequence[Ids]) -> Ids:
    """The channels of several axes, one after the other."""
    return np.concatenate(list(parts)) if parts else np.empty(0, np.int64)
