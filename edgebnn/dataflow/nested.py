"""The best mapping onto a processor: memories one inside the other, without an array below them.

What moves between two levels depends on the tiles and orders down to the inner one alone. So levels are settled from
the outermost, the tiles of each counted all at once. The beginning is taken up next that costs least if every level
below it moved no more than it would with one level of loops above it, in any order: more levels break the runs of
turns in which an operand stays.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count, product

import numpy as np
from numpy.typing import NDArray

from .constraints import ORDERS, Dataflow, overfull
from .energy import level_bits, mac_count
from .hardware import Hardware
from .mapping import Mappings, Order, Sizes
from .workload import DIMS, OPERANDS, R, S, Workload

TOLERANCE = 0.02
"""A mapping is taken when no other can be better by more than this share."""
MOST = 12
"""Beginnings that are taken up at most: with four levels the last tenths of a per cent may be left open."""
MOST_IN_VAIN = 200
"""The same while nothing is found that is better than another dataflow's mapping."""
_ORDERS = ORDERS[::2]
_BLOCK_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
"""Along one loop of what registers hold."""


@dataclass(frozen=True)
class _Step:
    """Tiles of one level within those above it, the cheapest at least first.

    Attributes:
        tiles: [dims, candidates].
        orders: of the loops above each, by index in ``choices``.
        bits: [levels, candidates] that they add to what moves at each level.
    """

    tiles: Sizes
    orders: NDArray[np.int64]
    choices: tuple[Order, ...]
    bits: NDArray[np.float64]


@dataclass
class _Node:
    """A beginning, all of its continuations by one level, and how many of them, cheapest first, were taken up."""

    above: Sizes
    orders: tuple[Order, ...]
    step: _Step
    bits: NDArray[np.float64]
    values: NDArray[np.float64]
    ranked: NDArray[np.int64]
    taken: int = 0

    @property
    def left(self) -> bool:
        return self.taken < len(self.ranked)

    @property
    def least(self) -> float:
        return float(self.values[self.ranked[self.taken]])

    def next(self) -> tuple[Sizes, tuple[Order, ...], NDArray[np.float64]]:
        """The tiles, orders and bits of the next continuation."""
        index = self.ranked[self.taken]
        self.taken += 1
        tiles = np.concatenate([self.above, self.step.tiles[None, :, index]])
        return tiles, (*self.orders, self.step.choices[self.step.orders[index]]), self.bits[:, index]


def sizes(bound: int, most: int) -> list[int]:
    """Sizes to try along one loop, within a tile of ``most``: halves of the bound, and the tile itself."""
    halves = {-(-bound // 2**k) for k in range(bound.bit_length())}
    return sorted({size for size in halves if size <= most} | {most})


class NestedSearch:
    """Looks for the mapping of ``layer`` that costs least in ``goal``, and less than ``below``.

    Attributes:
        reasons: what was too small for every tile.
        gap: by what share another mapping might still be better.
    """

    def __init__(
        self, layer: Workload, hardware: Hardware, flow: Dataflow, goal: str, below: float = float("inf")
    ) -> None:
        self._layer, self._hardware, self._flow, self._goal = layer, hardware, flow, goal
        self._depths = len(hardware.levels) - hardware.homes
        self._compute = layer.macs / hardware.macs_per_cycle[layer.precision]
        self._fixed = mac_count(layer, hardware) * hardware.mac_energy[layer.precision]
        self._energies = np.array([level.energy / level.width for level in hardware.levels])
        self._rates = np.array([8 * level.bytes_per_cycle for level in hardware.levels])
        self._least = below
        self._numbers = count()
        self._found: Mappings | None = None
        bounds = np.array(layer.bounds, np.int64)
        self.reasons: set[str] = set()
        self.gap = 0.0
        alone = [self._step(bounds[None], (), depth, ORDERS) for depth in range(1, self._depths + 1)]
        floors = [step.bits.min(axis=1) if step.bits.size else np.zeros(len(hardware.levels)) for step in alone]
        self._floors = [sum(floors[depth:], np.zeros(len(hardware.levels))) for depth in range(self._depths + 1)]
        self._possible = all(step.bits.size for step in alone)

    def best(self) -> Mappings | None:
        """One mapping, or None if none costs so little, or none fits: :attr:`reasons` then tell what is too small."""
        if not self._possible:
            return None
        waiting: list[tuple[float, int, _Node]] = []
        bounds = np.array(self._layer.bounds, np.int64)
        self._open(waiting, bounds[None], (), self._last_level_bits())
        opened = 0
        while waiting:
            least, _, node = heapq.heappop(waiting)
            self.gap = max(0.0, 1 - least / self._least) if self._least else 0.0  # nothing is less than nothing
            if self.gap <= TOLERANCE or opened >= (MOST_IN_VAIN if self._found is None else MOST):
                break
            opened += 1
            tiles, orders, bits = node.next()
            if node.left:
                heapq.heappush(waiting, (node.least, next(self._numbers), node))
            self._open(waiting, tiles, orders, bits)
        return self._found

    def _open(
        self,
        waiting: list[tuple[float, int, _Node]],
        above: Sizes,
        orders: tuple[Order, ...],
        spent: NDArray[np.float64],
    ) -> None:
        """Counts the next level's tiles below ``above`` [depth, dims], for which ``spent`` bits move; and goes down
        along the cheapest to a whole mapping."""
        depth = above.shape[0]
        step = self._step(above, orders, depth, self._flow.orders if depth == self._depths else _ORDERS)
        total = spent[:, None] + step.bits
        least = self._value(total + self._floors[depth][:, None])
        if not len(least):
            return
        node = _Node(above, orders, step, total, least, np.argsort(least, kind="stable"))
        if depth < self._depths:
            self._open(waiting, *node.next())
            if node.left:
                heapq.heappush(waiting, (node.least, next(self._numbers), node))
        elif node.least < self._least:
            self._least = node.least
            tiles, chosen, _ = node.next()
            self._found = Mappings(tiles[:, :, None], chosen, False)

    def _last_level_bits(self) -> NDArray[np.float64]:
        """Operands of each multiply-accumulate come from registers, and its sum goes there."""
        bits = np.zeros(len(self._hardware.levels))
        layer = self._layer
        bits[-1] = layer.iterations * (layer.bits[OPERANDS[0]] + layer.bits[OPERANDS[1]] + 2 * layer.sum_bits)
        return bits

    def _value(self, bits: NDArray[np.float64]) -> NDArray[np.float64]:
        """The goal of [levels, candidates] bits."""
        energy = self._fixed + self._energies @ bits
        if self._goal == "energy":
            return np.asarray(energy)
        cycles = np.maximum(self._compute, (bits / self._rates[:, None])[:-1].max(axis=0))
        return np.asarray(energy * cycles if self._goal == "edp" else cycles + 1e-12 * energy / (self._fixed or 1.0))

    def _step(self, above: Sizes, orders: tuple[Order, ...], depth: int, choices: tuple[Order, ...]) -> _Step:
        """The tiles of the level ``depth`` within the last of ``above``: the layer, and what of the levels between."""
        last = depth == self._depths
        options = [self._sizes(dim, int(above[-1, dim]), last) for dim in range(len(DIMS))]
        if not last and self._fits(above[-1][:, None], depth).all():
            options = [[int(size)] for size in above[-1]]  # all of it: nothing can move less
        tiles = np.array(list(product(*options)), np.int64).T
        tiles = tiles[:, self._fits(tiles, depth)]
        width = tiles.shape[1]
        chain = np.concatenate([np.repeat(above[:, :, None], width, axis=2), tiles[None]])
        bits = [
            level_bits(self._layer, self._hardware, Mappings(chain, (*orders, choice), False), depth)
            for choice in choices
        ]
        return _Step(
            np.tile(tiles, len(choices)),
            np.repeat(np.arange(len(choices)), width),
            choices,
            np.concatenate(bits, axis=1),
        )

    def _sizes(self, dim: int, most: int, last: bool) -> list[int]:
        if not last:
            return [most] if dim in (R, S) else sizes(self._layer.bounds[dim], most)
        if dim not in self._flow.block:
            return [1]
        return sorted({size for size in (*_BLOCK_SIZES, most) if size <= min(most, 64)} | {1})

    def _fits(self, tiles: Sizes, depth: int) -> NDArray[np.bool_]:
        """Which tiles the level of ``depth`` has room for."""
        stack = np.ones((self._depths + 1, *tiles.shape), np.int64)
        stack[depth] = tiles
        fits = np.ones(tiles.shape[1], bool)
        for what, full in overfull(self._layer, self._hardware, self._flow, stack):
            if full.all():
                self.reasons.add(what)
            fits &= ~full
        return fits
