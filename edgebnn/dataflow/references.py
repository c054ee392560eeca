"""What a kernel's schedule costs on a processor with caches: data references, and the misses of each cache. Estimated.

The nest of the kernel's driver is walked, not solved: it gives the cache lines that are touched, in order, and each
cache's stacks of lines say which of them it misses. Where a nest is long its first turns are walked, and the others are
taken to be like the last of these.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edgebnn.errors import InputError
from edgebnn.graph.opdef import Loops, Macs
from edgebnn.kernels.schedules import LayerSchedule
from edgebnn.kernels.spaces import LayerShape

from .bconv2d_nest import BinaryNest, terms
from .bconv2d_touches import BinaryWalk
from .caches import Cache, filtered
from .hardware import Hardware
from .kernel_lines import DRIVER, W1A8_DRIVER, binary_line, w1a8_line
from .touches import ARRAYS, Placement, Touches
from .w1a8_nest import W1A8Nest
from .w1a8_nest import terms as w1a8_terms
from .w1a8_touches import W1A8Walk
from .workload import Workload, workload

ENOUGH_TOUCHES = 1_500_000
"""After so many no further turn of a nest's outer loop is walked."""
FEWEST_TURNS = 3
"""That are walked in any case: the first finds the caches cold, the last may be shorter."""
_OUTPUT_BITS = {"float32": 32, "int8": 8, "int32": 1}


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
    layer: LayerShape, schedule: LayerSchedule, caches: Sequence[Cache], placement: Placement | None = None
) -> References:
    """What one run of a layer costs.

    Args:
        layer: that takes a schedule.
        schedule: its kernel, loop order and tiles.
        caches: from the first level on.
        placement: where the arrays lie; one after another if it is not known.

    Raises:
        InputError: nothing is known of the kernel, or of what the schedule asks of it.
    """
    return (_w1a8 if layer.operation == "w1a8" else _binary)(layer, schedule, caches, placement)


def _binary(
    layer: LayerShape, schedule: LayerSchedule, caches: Sequence[Cache], placement: Placement | None
) -> References:
    line = binary_line(schedule.kernel)
    _check(schedule, ("pixels", "blocks"))
    nest = BinaryNest(workload_of(layer), line, schedule.dataflow, schedule.tiles, layer.pads_with_zeros)
    walk = BinaryWalk(nest, placement or nest.placement())
    regions = nest.regions()
    os = schedule.dataflow == "os"
    turns = [list(turn) for _, turn in groupby(regions, lambda r: r.first if os else (r.group, r.block))]
    work = [sum((r.end - r.first) * (r.block_end - r.block) for r in turn) for turn in turns]
    touches = (Touches.joined([walk.region(region) for region in turn]) for turn in turns)
    count = _sum(terms(nest), {**DRIVER, **line.references})
    return _found(count, _missed(touches, work, caches))


def _w1a8(
    layer: LayerShape, schedule: LayerSchedule, caches: Sequence[Cache], placement: Placement | None
) -> References:
    line = w1a8_line(schedule.kernel)
    _check(schedule, ("rows", "blocks"))
    if layer.depthwise:
        raise InputError(f"{schedule.name}: no memory references are known of a depthwise layer")
    nest = W1A8Nest(workload_of(layer), line, schedule.dataflow, schedule.tiles)
    walk = W1A8Walk(nest, placement or nest.placement())
    os = schedule.dataflow == "os"
    turns = [list(turn) for _, turn in groupby(nest.regions(), lambda r: r.first if os else r.block)]
    work = [sum((r.end - r.first) * (r.block_end - r.block) for r in turn) for turn in turns]
    touches = (Touches.joined([walk.region(region) for region in turn]) for turn in turns)
    count = _sum(w1a8_terms(nest), {**W1A8_DRIVER, **line.references})
    return _found(count, _missed(touches, work, caches))


def _check(schedule: LayerSchedule, tiles: Sequence[str]) -> None:
    if schedule.dataflow not in ("os", "ws") or set(schedule.tiles) != set(tiles):
        raise InputError(f"{schedule.name}: no memory references are known of {schedule}")


def _sum(terms: Mapping[str, int], each: Mapping[str, float]) -> float:
    return sum(each.get(term, 0) * number for term, number in terms.items())


def _found(count: float, missed: NDArray[np.float64]) -> References:
    by_array = {name: tuple(round(n) for n in missed[:, i]) for i, name in enumerate(ARRAYS)}
    return References(round(count), tuple(round(n) for n in missed.sum(axis=1)), MappingProxyType(by_array))


def workload_of(layer: LayerShape) -> Workload:
    """The loops of a layer that takes a schedule."""
    products = layer.pixels * layer.out_channels * math.prod(layer.filter_size) * (layer.in_channels // layer.groups)
    before = [
        max(0, (size - 1) * stride + (taps - 1) * dilation + 1 - there) // 2 if layer.padded else 0
        for size, stride, taps, dilation, there in zip(
            layer.out_size, layer.stride, layer.filter_size, layer.dilation, layer.in_size, strict=True
        )
    ]
    loops = Loops(
        groups=layer.groups,
        batch=layer.batch,
        out_channels=layer.out_channels // layer.groups,
        in_channels=layer.in_channels // layer.groups,
        macs=Macs(w1a8=products) if layer.operation == "w1a8" else Macs(binary=products),
        out_size=layer.out_size,
        filter_size=layer.filter_size,
        in_size=layer.in_size,
        before=(before[0], before[1]),
        stride=layer.stride,
        dilation=layer.dilation,
    )
    return workload(loops, "layer", _OUTPUT_BITS[layer.output_type])


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
