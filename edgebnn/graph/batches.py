"""Which axis carries the samples through a graph, and the reference executor on any number of them.

A file made for one sample may hold its batch of 1 as a constant: in a SLICE, a BROADCAST_TO, a reduction over all
axes. Given more samples it still runs, and is wrong for all but the first. So samples run together only where each op
is known to keep them apart (:attr:`.opdef.OpDef.batch`), for the very number of samples that is run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import repeat

import numpy as np

from edgebnn.errors import EdgebnnError, InputError

from . import execute, memory_bound, samples
from .opdef import COUNTED, Axes, OpView
from .ops import OPS
from .shapes import resize, walk
from .types import Array, Graph, Shape

BATCH = 64


def follow(graph: Graph, counted: Sequence[bool], single: Graph | None = None) -> Axes | None:
    """The axes of the outputs along which the samples lie.

    Args:
        graph: resized to two samples or more.
        counted: which inputs hold the samples, along axis 0; all samples share the others.
        single: the same graph resized to one sample; None where the graph is never resized.

    Returns:
        For each output its axis, or None if all samples share it; None in place of them all where the samples are not
        known to be independent, or one sample's part of any tensor is not what it is in ``single``.
    """
    axes: dict[int, int | None] = dict(zip(graph.inputs, (0 if own else None for own in counted), strict=True))
    try:
        for (view, values), alone in zip(walk(graph), repeat(None) if single is None else walk(single), strict=False):
            found = _passed(view, values, tuple(axes.get(i) for i in view.op.inputs), alone)
            if found is None:
                return None
            axes.update(zip(view.op.outputs, found, strict=True))
    except EdgebnnError:  # an op that does not work with these shapes
        return None
    results = tuple(axes.get(index) for index in graph.outputs)
    return None if COUNTED in results else results


Known = tuple[Array | None, ...]
"""The values of an op's outputs, where they are known before the graph runs."""


def _passed(view: OpView, values: Known, axes: Axes, alone: tuple[OpView, Known] | None) -> Axes | None:
    """The axes of an op's outputs; ``alone``: the same op for one sample, with its values."""
    if all(axis is None for axis in axes):
        found: Axes | None = (None,) * len(view.outputs)
    elif all(value is not None for value in values):
        same = alone is not None and all(
            one is not None and np.array_equal(many, one)
            for many, one in zip(values, alone[1], strict=True)
            if many is not None
        )
        return (None if same else COUNTED,) * len(view.outputs)
    else:
        found = OPS[view.op.kind].batch(view, axes)
    if found is None or alone is None:
        return found
    agree = all(
        many.shape == (one.shape if axis is None else (*one.shape[:axis], many.shape[axis], *one.shape[axis + 1 :]))
        and (axis is None or one.shape[axis : axis + 1] == (1,))
        for many, one, axis in zip(view.outputs, alone[0].outputs, found, strict=True)
    )
    return found if agree else None


def independence(graph: Graph) -> samples.Independent:
    """What :meth:`.samples.Call.run` asks, for ``graph``: answers are kept."""
    fixed = any(form.samples and form.dimensions[0] > 1 for form in samples.inputs_of(graph))
    known: dict[tuple[tuple[Shape, ...], tuple[bool, ...]], Axes | None] = {}

    def independent(shapes: tuple[Shape, ...], counted: tuple[bool, ...]) -> Axes | None:
        if (shapes, counted) not in known:
            known[shapes, counted] = _independent(graph, shapes, counted, fixed)
        return known[shapes, counted]

    return independent


def _independent(graph: Graph, shapes: tuple[Shape, ...], counted: tuple[bool, ...], fixed: bool) -> Axes | None:
    ones = [(1, *shape[1:]) if own else shape for shape, own in zip(shapes, counted, strict=True)]
    try:
        axes = follow(resize(graph, shapes), counted, None if fixed else resize(graph, ones))
    except EdgebnnError:
        return None
    return axes if axes is not None and all(axis in (0, None) for axis in axes) else None


def run_all(
    graph: Graph, inputs: Sequence[Array], threads: int = 1, advance: Callable[[int], None] | None = None
) -> tuple[Array, ...]:
    """The outputs of ``graph`` for any number of samples, each computed as if it were alone.

    Args:
        graph: the model.
        inputs: an array for each of its inputs, of its dtype, shaped as :mod:`.samples` says: mostly [N, ...].
        threads: parts of the samples run at the same time on so many.
        advance: told how many more samples are done.

    Returns:
        For each output an array, with the samples in front: [N, ...].

    Raises:
        InputError: inputs do not fit.
        UnsupportedOpError: the reference executor lacks an op, or an option of one.
    """
    forms = samples.inputs_of(graph)
    if len(inputs) != len(forms):
        raise InputError(f"{graph.name}: takes {len(forms)} inputs, not {len(inputs)}")
    for form, values in zip(forms, inputs, strict=True):
        if not form.fits(values.shape) or not values.size:
            raise InputError(f"{graph.name}: input '{form.name}' takes {form.takes}, not {values.shape}")
    call = samples.call(graph.name, forms, inputs)
    sized: dict[tuple[Shape, ...], Graph] = {}
    lock = threading.Lock()

    def run(part: samples.Part) -> tuple[Array, ...]:
        shapes = tuple(values.shape for values in part.arrays)
        with lock:
            if shapes not in sized:
                sized[shapes] = resize(graph, shapes)
        outputs = execute.run(sized[shapes], part.arrays)
        if advance is not None:
            advance(part.samples)
        return outputs

    def runs(parts: list[samples.Part]) -> Iterable[tuple[Array, ...]]:
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(run, parts))

    most = memory_bound.together(_bytes_of_one(graph, call) * threads, BATCH)
    return call.run(independence(graph), runs, most)


def _bytes_of_one(graph: Graph, call: samples.Call) -> int:
    """What one sample needs at the same time, as far as it is known."""
    with suppress(EdgebnnError):  # where the open first axis is no batch
        graph = resize(graph, call.single())
    return memory_bound.working_bytes(graph)
