"""What a kernel's schedule costs on a processor with caches: data references, and the misses of each cache. Estimated.

The nest of the kernel's driver is walked, not solved: it gives the cache lines that are touched, in order, and each
cache's stacks of lines say which of them it misses. Where a nest is long its first turns are walked, and the others are
taken to be like the last of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edgebnn.errors import InputError

from .bconv2d_nest import BinaryNest, terms
from .bconv2d_touches import BinaryWalk
from .caches import Cache, filtered
from .hardware import Hardware
from .kernel_lines import DRIVER, binary_line
from .touches import ARRAYS, Placement, Touches
from .workload import Workload

ENOUGH_TOUCHES = 1_500_000
"""After so many no further turn of a nest's outer loop is walked."""
FEWEST_TURNS = 3
"""That are walked in any case: the first finds the caches cold, the last may be shorter."""
DATAFLOWS = ("os", "ws")


@dataclass(frozen=True)
class References:
    """Of one run of a layer, with nothing of it in the caches before.

    Attributes:
        references: loads and stores.
        misses: of each cache, from the first level on.
        by_array: the same misses, by what they are of (:data:`.touches.ARRAYS`).
    """

    references: int
    misses: tuple[int, ...]
    by_array: Mapping[str, tuple[int, ...]]

    def cycles(self, hardware: Hardware) -> float:
        """A cycle for a reference, and for a miss those in which the level behind the cache can send a line."""
        behind = [level.bytes_per_cycle for level in hardware.levels[-3::-1]]
        lines = (cache.line for cache in caches_of(hardware))
        misses = zip(self.misses, behind, lines, strict=False)
        return self.references + sum(count * line / rate for count, rate, line in misses)


def caches_of(hardware: Hardware) -> tuple[Cache, ...]:
    """The caches of a processor, from the first level on.

    Raises:
        InputError: it has none, or its file does not say how they are built.
    """
    levels = hardware.levels[-2 : -1 - len(hardware.levels) + hardware.homes : -1]
    found = []
    for level in levels:
        if level.ways is None or not isinstance(level.capacity, int):
            raise InputError(f"{hardware.name}: level {level.name} does not say its ways: cache misses cannot be told")
        found.append(Cache(level.name, level.capacity, level.ways, level.line))
    if not found or hardware.network is not None:
        raise InputError(f"{hardware.name} is no processor with caches: cache misses cannot be told")
    return tuple(found)


def references(
    layer: Workload,
    kernel: str,
    dataflow: str,
    tiles: Mapping[str, int],
    caches: Sequence[Cache],
    *,
    zero_padding: bool = False,
    placement: Placement | None = None,
) -> References:
    """What one run of a binary layer by a kernel costs.

    Args:
        layer: of binary operands.
        kernel: a line of bconv2d.kernels.
        dataflow: "os" or "ws".
        tiles: "pixels" and "blocks".
        caches: from the first level on.
        zero_padding: whether padding is with zeros.
        placement: where the arrays lie; one after another if it is not known.

    Returns:
        References of the kernel, and of them the misses of each cache.

    Raises:
        InputError: nothing is known of the kernel, or it cannot do this.
    """
    if layer.precision != "binary" or dataflow not in DATAFLOWS:
        raise InputError(
            f"{layer.name}: no memory references are known of a {layer.precision} layer in order '{dataflow}'"
        )
    nest = BinaryNest(layer, binary_line(kernel), dataflow, tiles, zero_padding)
    each = {**DRIVER, **nest.line.references}
    count = sum(each.get(term, 0) * number for term, number in terms(nest).items())
    walk = BinaryWalk(nest, placement or nest.placement())
    turns = [
        list(turn) for _, turn in groupby(nest.regions(), lambda r: r.first if dataflow == "os" else (r.group, r.block))
    ]
    work = [sum((r.end - r.first) * (r.block_end - r.block) for r in turn) for turn in turns]
    missed = _missed((Touches.joined([walk.region(r) for r in turn]) for turn in turns), work, caches)
    by_array = {name: tuple(round(n) for n in missed[:, i]) for i, name in enumerate(ARRAYS)}
    return References(round(count), tuple(round(n) for n in missed.sum(axis=1)), MappingProxyType(by_array))


def _missed(turns: Iterator[Touches], work: Sequence[int], caches: Sequence[Cache]) -> NDArray[np.float64]:
    """Misses [caches, arrays] of all turns of a nest, of which the first are walked. work: of each turn."""
    walked: list[Touches] = []
    touches = 0
    for turn in turns:
        walked.append(turn)
        touches += turn.at.size
        if touches > ENOUGH_TOUCHES and len(walked) >= FEWEST_TURNS:
            break
    all_of_them = Touches.joined(walked)
    ends = np.cumsum([turn.at.size for turn in walked])
    found = np.zeros((len(caches), len(ARRAYS)))
    later = np.zeros_like(found)
    for index, places in enumerate(filtered(all_of_them.at // caches[0].line, caches)):
        found[index] = np.bincount(all_of_them.of[places], minlength=len(ARRAYS))
        after_first = places[places >= ends[0]]
        later[index] = np.bincount(all_of_them.of[after_first], minlength=len(ARRAYS))
    left = sum(work[len(walked) :])
    return found + later * (left / sum(work[1 : len(walked)]) if left else 0)
