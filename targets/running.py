"""A user's arrays run on any target, as :class:`edgebnn.runtime.model.Model` runs them on the host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edgebnn.graph import memory_bound, samples
from edgebnn.graph.types import Array, Graph

from .inputs import run_with
from .model_file import ModelFile, Session


def run_on(session: Session, model: ModelFile, arrays: Sequence[Array]) -> tuple[Array, ...]:
    """What a model on a target makes of the user's arrays.

    Args:
        session: the model there.
        model: in the IR.
        arrays: one for each input, [N, ...].

    Returns:
        An array [N, ...] for each output, quantized ones as real numbers.

    Raises:
        InputError: the arrays do not fit.
        UnsupportedOpError, ModelFormatError: the IR does not hold the model.
        EdgebnnError: the target fails.
    """

    return run_with(model, arrays, lambda graph, values: run_samples(session, graph, values))


class Runs(Protocol):
    """What computes one inference on inputs of a network's own shapes and types."""

    def run(self, inputs: Sequence[Array]) -> tuple[Array, ...]: ...


def run_samples(runs: Runs, graph: Graph, values: Sequence[Array]) -> tuple[Array, ...]:
    """All samples, in the batches that the network takes.

    Args:
        runs: the network where it is.
        graph: of the network.
        values: an array [N, ...] for each input, as the network's inputs have them.

    Returns:
        An array [N, ...] for each output.

    Raises:
        InputError: the arrays hold different numbers of samples, or are too large.
    """
    memory_bound.check_graph(graph)
    call = samples.call(graph.name, samples.inputs_of(graph), values)
    return call.run(lambda shapes, counted: None, lambda parts: [runs.run(part.arrays) for part in parts], 1)
