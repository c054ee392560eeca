"""Layers that several kernels can compute, some of them in several tile sizes: the declared space, and the pick.

A kernel says what it can do in one place, its line in the table of its family: which layers, which loop order, which
tiles, what a layer costs, and the step. Costs are instructions, predicted by a formula of the layer's shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from edgebnn.converters.c_package.program import Step
from edgebnn.errors import InputError, UnsupportedOpError
from edgebnn.graph.ops.windows import Window
from edgebnn.kernels.cores import Core
from edgebnn.kernels.schedules import KernelSpace, LayerSchedule, TileSizes

Tiles = Mapping[str, int]
Costs = Mapping[str, tuple[float, float]]
"""Instructions each time, by what is done: of Thumb-2 cores, and of ARMv6-M."""
NO_TILES: Mapping[str, TileSizes] = MappingProxyType({})

PRICE = 0.005
"""Of a KiB of scratch, as a share of the layer's instructions: so much must it save, at least."""


def taps_inside(window: Window, size: tuple[int, int]) -> int:
    """Pairs of an output pixel and a tap that lies inside the image of ``size`` (height, width)."""
    found = 1
    for axis in (0, 1):
        starts = np.arange(window.output[axis]) * window.stride[axis] - window.before[axis]
        at = starts[:, None] + np.arange(window.filter[axis]) * window.dilation[axis]
        found *= int(((at >= 0) & (at < size[axis])).sum())
    return found


def windows_inside(window: Window, size: tuple[int, int]) -> int:
    """Output pixels whose windows lie wholly inside the image."""
    found = 1
    for axis in (0, 1):
        starts = np.arange(window.output[axis]) * window.stride[axis] - window.before[axis]
        ends = starts + (window.filter[axis] - 1) * window.dilation[axis]
        found *= int(((starts >= 0) & (ends < size[axis])).sum())
    return found


@dataclass(frozen=True)
class Kernel:
    """A kernel of a family whose layers are ``Any``: a C file and a line of the family's table.

    name:     in schedules.
    dataflow: its loop order.
    applies:  whether it computes this layer, on this core.
    tiles:    what it can cut by, and the sizes, for this layer.
    work:     what it does how often for a layer with tiles of these sizes, by name.
    costs:    by the same names, what each time costs. Fitted to exact counts (tools/bench/schedules_cortex_m.py).
    scratch:  bytes that it needs.
    make:     its step.
    """

    name: str
    dataflow: str
    applies: Callable[[Core, Any], bool]
    tiles: Callable[[Any], Mapping[str, TileSizes]]
    work: Callable[[Any, Tiles], Mapping[str, float]]
    costs: Costs
    scratch: Callable[[Any, Tiles], int]
    make: Callable[[Any, Tiles], Step]

    def instructions(self, core: Core, layer: Any, tiles: Tiles) -> float:
        """Of a layer on a core, predicted."""
        column = 0 if core.thumb2 else 1
        return sum(times * self.costs[what][column] for what, times in self.work(layer, tiles).items())


@dataclass(frozen=True)
class Candidate:
    """A point of a layer's space.

    instructions:  of one inference, predicted.
    scratch_bytes: of memory while the layer runs.
    """

    schedule: LayerSchedule
    instructions: int
    scratch_bytes: int

    @property
    def cost(self) -> float:
        """Instructions, with what the scratch is worth."""
        return self.instructions * (1 + PRICE * self.scratch_bytes / 1024)


@dataclass(frozen=True)
class Choices:
    """A layer, and the kernels that there are for it on a core.

    name: the layer's, for people.
    """

    name: str
    layer: Any
    core: Core
    kernels: Sequence[Kernel]

    @cached_property
    def _able(self) -> Mapping[str, Kernel]:
        found = {kernel.name: kernel for kernel in self.kernels if kernel.applies(self.core, self.layer)}
        if not found:
            raise UnsupportedOpError(f"layer {self.name!r}: no kernel computes it")
        return found

    @cached_property
    def spaces(self) -> tuple[KernelSpace, ...]:
        """What each kernel can do here."""
        return tuple(KernelSpace(k.name, {k.dataflow: k.tiles(self.layer)}) for k in self._able.values())

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """All that a search tries, the least cost first. Their op is -1."""
        found = [self._candidate(point) for space in self.spaces for point in space.candidates(-1, self.name)]
        return tuple(sorted(found, key=lambda candidate: candidate.cost))

    def _candidate(self, point: LayerSchedule) -> Candidate:
        kernel = self._able[point.kernel]
        instructions = round(kernel.instructions(self.core, self.layer, point.tiles))
        return Candidate(point, instructions, kernel.scratch(self.layer, point.tiles))

    @property
    def pick(self) -> Candidate:
        """The one of the least cost."""
        return self.candidates[0]

    @cached_property
    def runner_up(self) -> Candidate | None:
        """The best by another kernel than the pick's; None if there is no other."""
        return next((c for c in self.candidates if c.schedule.kernel != self.pick.schedule.kernel), None)

    def follow(self, schedule: LayerSchedule) -> Candidate:
        """What a schedule of this layer costs.

        Raises:
            InputError: it is not in the space; the message says what is.
        """
        if schedule.kernel not in self._able:
            at, there = f"schedule: op {schedule.op} ({schedule.name})", " or ".join(self._able)
            raise InputError(f"{at}: there is no kernel {schedule.kernel!r} for it on {self.core.title}; use {there}")
        next(space for space in self.spaces if space.kernel == schedule.kernel).check(schedule, "schedule")
        return self._candidate(schedule)

    def step(self, schedule: LayerSchedule | None = None) -> Step:
        """The step by a schedule, or by the pick. Raises InputError as :meth:`follow`."""
        chosen = self.pick if schedule is None else self.follow(schedule)
        return self._able[chosen.schedule.kernel].make(self.layer, chosen.schedule.tiles)
