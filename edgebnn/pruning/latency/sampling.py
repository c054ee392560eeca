"""Which layers to measure for a latency table: few at first, then where interpolation is worst.

All counts are multiples of the channel granularity (:class:`.table.Granularity`), where the time of the whole
step is seen.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np

from edgebnn.errors import InputError
from edgebnn.pruning.channels.coupling import Plan
from edgebnn.pruning.channels.layers import LayerShape
from edgebnn.pruning.channels.widths import smallest
from edgebnn.pruning.latency.table import (
    KINDS,
    Device,
    Entry,
    LatencyTable,
    Point,
    layer_at,
    point,
    signature,
)
from edgebnn.pruning.progress import Progress, ProgressCallback

Measure: TypeAlias = Callable[[Sequence[LayerShape]], Iterable[Mapping[LayerShape, float]]]
"""The time of each of some layers on a device, in its unit: in parts, each as soon as it is known."""

Points: TypeAlias = Mapping[LayerShape, Sequence[Point]]
Span: TypeAlias = tuple[Point, Point]
Axes: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Sampling:
    """How densely a table is sampled.

    Attributes:
        step: channels that widths will be multiples of: held-back samples lie there, and the least widths.
        tolerance: interpolation may be wrong by this share at the middle between samples, of the layer's time there or
            of a tenth of its time with all channels, whichever is more.
        most: pairs of channel counts for layers of one signature, beyond which nothing is refined.
        held_back: samples for each signature that only serve to state the error.
        batch: layers that are handed to the device at a time.
        seed: of the choice of held-back samples.
    """

    step: int = 8
    tolerance: float = 0.03
    most: int = 49
    held_back: int = 6
    batch: int = 16
    seed: int = 0


def measured(
    plan: Plan,
    measure: Measure,
    device: Device,
    path: Path | None = None,
    sampling: Sampling | None = None,
    progress: ProgressCallback | None = None,
) -> LatencyTable:
    """A table that covers a network at all widths down to one step.

    Args:
        plan: the network's layers.
        measure: what times them.
        device: for which the times hold.
        path: of the table: what is there is used, and extended as far as it does not suffice; it is saved with every
            part that ``measure`` gives, so that an interrupted call goes on where it was.
        sampling: how densely.
        progress: told after each part.

    Returns:
        The table.

    Raises:
        InputError: ``path`` holds another device's table or cannot be written, or ``measure`` gives something else than
            a positive time for each layer.
    """
    if device.kind not in KINDS:
        raise InputError(f"latency table: kind must be one of {', '.join(KINDS)}, not {device.kind!r}")
    known = path is not None and path.exists()
    table = LatencyTable.load(path, device) if path is not None and known else LatencyTable(device, "")
    return _Sampler(table, measure, path, sampling or Sampling(), progress or (lambda event: None)).extend(plan)


class _Sampler:
    """A table that grows."""

    def __init__(
        self, table: LatencyTable, measure: Measure, path: Path | None, sampling: Sampling, progress: ProgressCallback
    ) -> None:
        self._table, self._measure, self._path = table, measure, path
        self._sampling, self._progress = sampling, progress
        self._done, self._began = 0, time.monotonic()

    def extend(self, plan: Plan) -> LatencyTable:
        wanted = {
            shape: span for shape, span in _spans(plan, self._sampling.step).items() if not self._suffices(shape, span)
        }
        for shape, span in wanted.items():
            self._put(shape, _widened(self._table.entries.get(shape), self._steps(shape), span))
        held_back = sum(len(_between(self._table.entries[shape], shape, self._sampling)) for shape in wanted)
        growing = list(wanted)
        while growing:
            self._sample({shape: self._table.entries[shape].missing() for shape in growing}, held_back)
            growing = self._refined(growing, held_back)
        self._hold_back(list(wanted))
        return self._table

    def _suffices(self, shape: LayerShape, span: Span) -> bool:
        """Whether an entry was finished for at least this span, with the samples that are held back."""
        entry = self._table.entries.get(shape)
        if entry is None or entry.missing() or not all(map(entry.covers, span)):
            return False
        return len(entry.held_back) >= len(_between(entry, shape, self._sampling))

    def _refined(self, shapes: Sequence[LayerShape], held_back: int) -> list[LayerShape]:
        """Probe the middles between samples; the signatures that got further channel counts, where that was wrong."""
        probes = {shape: _probes(self._table.entries[shape], self._steps(shape)) for shape in shapes}
        self._sample({shape: list(found) for shape, found in probes.items()}, held_back)
        return [shape for shape in shapes if self._add_worst(shape, probes[shape])]

    def _add_worst(self, shape: LayerShape, probes: Mapping[Point, Axes]) -> bool:
        """Add the counts of the worst probe of each kind, where it is off by more than the tolerance."""
        entry, grown = self._table.entries[shape], self._table.entries[shape]
        least = 0.1 * entry.samples[entry.inputs[-1], entry.outputs[-1]]
        errors = {
            where: abs(entry.at(where, self._steps(shape)) - entry.samples[where]) / max(entry.samples[where], least)
            for where in probes
        }
        for axes in ((0,), (1,), (0, 1)):
            worst = max((where for where in probes if probes[where] == axes), key=errors.__getitem__, default=None)
            if worst is None or errors[worst] <= self._sampling.tolerance:
                continue
            larger = _with_counts(grown, {axis: worst[axis] for axis in axes})
            if len(larger.inputs) * len(larger.outputs) <= self._sampling.most:
                grown = larger
        self._put(shape, grown)
        return grown is not entry

    def _hold_back(self, shapes: Sequence[LayerShape]) -> None:
        chosen = dict[LayerShape, list[Point]]()
        for shape in shapes:
            entry = self._table.entries[shape]
            known = {(i, o): took for i, o, took, _ in entry.held_back if (i, o) not in entry.samples}
            again = ((*where, took, entry.at(where, self._steps(shape))) for where, took in known.items())
            self._put(shape, replace(entry, held_back=tuple(again)))  # predicted from the samples that there are now
            chosen[shape] = [where for where in _between(entry, shape, self._sampling) if where not in known]
        for shape, where, took in self._timed(chosen, 0):
            entry = self._table.entries[shape]
            sample = (*where, took, entry.at(where, self._steps(shape)))
            self._put(shape, replace(entry, held_back=(*entry.held_back, sample)))

    def _sample(self, points: Points, held_back: int) -> None:
        known = {shape: self._table.entries[shape].samples for shape in points}
        wanted = {shape: [where for where in points[shape] if where not in known[shape]] for shape in points}
        later = sum(max(0, self._usual(shape) - len(known[shape]) - len(wanted[shape])) for shape in points)
        for shape, where, took in self._timed(wanted, later + held_back):
            entry = self._table.entries[shape]
            self._put(shape, replace(entry, samples={**entry.samples, where: took}))

    def _timed(self, points: Points, later: int) -> Iterator[tuple[LayerShape, Point, float]]:
        """Measures points in batches; what the caller made of a part of one is saved before the next part is awaited.

        ``later``: about how many are to follow in further calls.
        """
        pairs = [(shape, where) for shape, wheres in points.items() for where in wheres]
        for start in range(0, len(pairs), self._sampling.batch):
            waiting = {layer_at(*pair): pair for pair in pairs[start : start + self._sampling.batch]}
            left = max(0, len(pairs) - start - self._sampling.batch) + later
            for part in self._measure(list(waiting)):
                self._check(part, waiting)
                for layer, took in part.items():
                    yield *waiting.pop(layer), float(took)
                if self._path is not None:
                    self._table.save(self._path)
                self._done += len(part)
                self._tell(len(waiting) + left, [*part][-1].name)
            if waiting:
                raise InputError(f"{self._table.device.name}: gave no time for {len(waiting)} layers")

    def _check(self, part: Mapping[LayerShape, float], waiting: Mapping[LayerShape, object]) -> None:
        if not part or not part.keys() <= waiting.keys() or not all(0 < took < math.inf for took in part.values()):
            raise InputError(
                f"{self._table.device.name}: gave {list(part.values())} {self._table.device.unit} for layers"
            )

    def _tell(self, left: int, layer: str) -> None:
        """The time left is estimated by the pace of this session: what an earlier one measured took it no time."""
        pace = (time.monotonic() - self._began) / self._done
        self._progress(
            Progress("table", done=self._done, total=self._done + left, layer=layer, seconds_left=pace * left)
        )

    def _usual(self, shape: LayerShape) -> int:
        """About how many samples a signature comes to: narrow layers have few channel counts."""
        entry = self._table.entries[shape]
        axes = zip((entry.inputs, entry.outputs), self._steps(shape), strict=True)
        there = math.prod(
            len({*counts, *range(counts[0] // step * step + step, counts[-1], step)}) for counts, step in axes
        )
        return min(self._sampling.most // 2, there)

    def _steps(self, shape: LayerShape) -> Point:
        return self._table.device.granularity.steps(shape)

    def _put(self, shape: LayerShape, entry: Entry) -> None:
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._table = replace(self._table, date=now, entries={**self._table.entries, shape: entry})


def _spans(plan: Plan, step: int) -> dict[LayerShape, Span]:
    """For each signature the least and the greatest channels that its layers can have."""
    least = plan.layers(smallest(plan.widths, [group.name for group in plan.prunable], step))
    found: dict[LayerShape, list[Point]] = {}
    for layer in (*least, *plan.layers()):
        found.setdefault(signature(layer), []).append(point(layer))
    return {shape: (_each(min, points), _each(max, points)) for shape, points in found.items()}


def _each(choose: Callable[[Iterable[int]], int], points: Sequence[Point]) -> Point:
    return choose(where[0] for where in points), choose(where[1] for where in points)


def _widened(entry: Entry | None, steps: Point, span: Span) -> Entry:
    """The entry to begin with, or to go on with: its ends, a middle, and what it had."""
    known = entry or Entry((), ())
    axes = []
    for axis, counts in enumerate((known.inputs, known.outputs)):
        low, high = span[0][axis], span[1][axis]
        middle = _middle(low, high, steps[axis])
        axes.append(tuple(sorted({*counts, low, high} | ({middle} if middle else set()))))
    return replace(known, inputs=axes[0], outputs=axes[1])


def _middle(low: int, high: int, step: int) -> int | None:
    """The multiple nearest to the middle strictly between two counts, if there is one."""
    middle = max(round((low + high) / 2 / step), low // step + 1) * step
    return middle if low < middle < high else None


def _probes(entry: Entry, steps: Point) -> dict[Point, Axes]:
    """Middles between samples, and on which axes: of the sides with the most channels, and of the cells of four."""
    inputs = [middle for low, high in pairwise(entry.inputs) if (middle := _middle(low, high, steps[0]))]
    outputs = [middle for low, high in pairwise(entry.outputs) if (middle := _middle(low, high, steps[1]))]
    return {
        **{(middle, entry.outputs[-1]): (0,) for middle in inputs},
        **{(entry.inputs[-1], middle): (1,) for middle in outputs},
        **{(i, o): (0, 1) for i in inputs for o in outputs},
    }


def _with_counts(entry: Entry, counts: Mapping[int, int]) -> Entry:
    """The entry with one more count on each of some axes."""
    axes = [
        tuple(sorted({*known, counts[axis]})) if axis in counts else known
        for axis, known in enumerate((entry.inputs, entry.outputs))
    ]
    return replace(entry, inputs=axes[0], outputs=axes[1])


def _between(entry: Entry, shape: LayerShape, sampling: Sampling) -> list[Point]:
    """Some points that are not sampled, at widths that a search may ask for: always the same ones."""
    step = math.lcm(sampling.step, max(1, shape.groups))
    axes = [
        list(range(-(-counts[0] // step) * step, counts[-1] + 1, step)) or list(counts[:1])
        for counts in (entry.inputs, entry.outputs)
    ]
    rng = np.random.default_rng(sampling.seed)
    tried = ((int(rng.choice(axes[0])), int(rng.choice(axes[1]))) for _ in range(4 * sampling.held_back))
    fresh = dict.fromkeys(where for where in tried if where not in entry.samples)
    return list(fresh)[: sampling.held_back]
