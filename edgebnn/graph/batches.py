"""The reference executor on any number of samples: the graph is resized to parts of them, which threads share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np

from edgebnn.errors import InputError

from . import execute
from .shapes import resize
from .types import Array, Graph

BATCH = 64


def run_all(
    graph: Graph, inputs: Sequence[Array], threads: int = 1, advance: Callable[[int], None] | None = None
) -> tuple[Array, ...]:
    """The outputs of ``graph`` for ``inputs``, arrays [N, ...] of the model's dtypes, N any number.

    ``advance`` is told how many more samples are done. A model that cannot be resized runs in parts of its own batch
    size, of which N must then be a multiple. Raises InputError for inputs that do not fit.
    """
    count = len(inputs[0])
    if any(len(values) != count for values in inputs):
        raise InputError(f"{graph.name}: inputs with different numbers of samples")

    @cache
    def sized(size: int) -> Graph:
        return resize(graph, [(size, *values.shape[1:]) for values in inputs])

    try:
        sized(min(BATCH, count))
        batch = BATCH
    except InputError:
        batch = graph.tensors[graph.inputs[0]].shape[0]
    starts = range(0, count, batch)
    for size in {min(batch, count - start) for start in starts}:
        sized(size)

    def run(start: int) -> tuple[Array, ...]:
        part = [values[start : start + batch] for values in inputs]
        outputs = execute.run(sized(len(part[0])), part)
        if advance is not None:
            advance(len(part[0]))
        return outputs

    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(run, starts))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))
