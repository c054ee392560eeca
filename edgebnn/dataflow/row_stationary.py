"""Eyeriss' way to write a row-stationary mapping, and to count what it moves.

Row stationary: a processing element slides a row of the input past a row of the filter and sums a row of the output.
R x E of them make a logical set that computes a two-dimensional convolution: filter rows are shared along it, input
rows diagonally, sums are added across. A pass has r * t sets: r for different input channels, t for different filters;
each element interleaves p filters and q channels. Sets that are wider than the array are folded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgebnn.errors import InputError

from .constraints import DATAFLOWS, OUTPUTS_STAY, overfull
from .hardware import Hardware
from .mapping import Mappings, Order
from .workload import DIMS, C, E, F, G, M, N, R, S, Workload


@dataclass(frozen=True)
class Parameters:
    """A row-stationary mapping as the papers write it.

    Attributes:
        m, n: filters and samples whose partial sums the global buffer holds, and that share a pass's inputs.
        e: rows of the output in a pass: the width of a logical set.
        p, q: filters and channels in one processing element.
        r, t: sets for different channels and for different filters.
    """

    m: int
    n: int
    e: int
    p: int
    q: int
    r: int
    t: int


def parameters(mappings: Mappings) -> Parameters:
    """Those of one row-stationary mapping. Sets for different groups count as sets for different filters."""
    tiles = mappings.tiles[:, :, 0]
    held, array, own = tiles[-3], tiles[-2], tiles[-1]
    counts = -(-array // own)
    numbers = (held[M], held[N], array[E], own[M], own[C], counts[C], counts[M] * counts[G])
    return Parameters(*(int(number) for number in numbers))


def from_parameters(layer: Workload, hardware: Hardware, given: Parameters, order: Order = OUTPUTS_STAY) -> Mappings:
    """The mapping that the papers write so.

    Args:
        layer: stored as the machine stores it.
        hardware: an array of processing elements below one buffer.
        given: m, n, e, p, q, r and t.
        order: of the loops above the buffer.

    Raises:
        InputError: it does not fit ``hardware``, and what is too small.
    """
    flow, bounds = DATAFLOWS["rs"], layer.bounds
    own = {M: given.p, C: given.q, S: bounds[S]}
    array = {M: given.p * given.t, C: given.q * given.r, E: given.e, R: bounds[R], S: bounds[S]}
    held = {**array, M: given.m, N: given.n, F: bounds[F]}
    tiles = [bounds, *([min(bounds[d], tile.get(d, 1)) for d in range(len(DIMS))] for tile in (held, array, own))]
    mappings = Mappings(np.array(tiles, np.int64)[:, :, None], (order, flow.orders[0]), True)
    small = [what for what, full in overfull(layer, hardware, flow, mappings.tiles) if full.any()]
    if small:
        raise InputError(f"layer '{layer.name}': {given} is too much for {', '.join(small)} of {hardware.name}")
    return mappings
