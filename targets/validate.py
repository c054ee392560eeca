"""Does a target compute what the reference executor computes, and if not, from which layer on?

Integer outputs must be equal. Float outputs must agree within a tolerance relative to the output's range.
A binary network can turn a difference of one unit in the last place of a float into a flipped sign and so into
a large difference at the end; therefore, where the target shows its inner tensors, every sample with a float difference
is looked into: each op is recomputed by the reference from the *target's own* inputs. If all agree, the target is right
and the difference is rounding that a sign amplified; this is said (``explained_by_rounding``), never hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgebnn.errors import InputError
from edgebnn.graph import execute
from edgebnn.graph.opdef import op_view
from edgebnn.graph.ops import OPS
from edgebnn.graph.types import ABSENT, Array, Graph

from .model_file import ModelFile
from .session import Session

DEFAULT_TOLERANCE = 1e-5
"""Of the range of the float tensor compared."""


@dataclass(frozen=True)
class LayerCheck:
    """One op: how far the target is from the reference there, and whether the op itself is at fault.

    max_abs_diff: the target's outputs against the reference run from the model's inputs (differences add up).
    departs:      given the target's own inputs, the reference computes something else (beyond the tolerance).
    """

    index: int
    op: str
    name: str
    bit_exact: bool
    max_abs_diff: float
    departs: bool


@dataclass(frozen=True)
class Validation:
    """The outcome; field names are the JSON's. ``mismatches`` counts output elements beyond the tolerance.

    first_departure: the first layer at fault, of the first sample that mismatches; None where there is none.
    layers:          all layers, of that sample, or of the first where none mismatches; only if they were asked for.
    """

    target: str
    model: str
    samples: int
    passed: bool
    tolerance: float
    bit_exact: bool
    max_abs_diff: float
    mismatches: int
    explained_by_rounding: bool
    first_departure: LayerCheck | None
    layers: tuple[LayerCheck, ...] | None


@dataclass(frozen=True)
class Difference:
    """How two arrays differ: elements beyond the tolerance, and the largest absolute difference."""

    mismatches: int
    max_abs: float
    bit_exact: bool


def compare(actual: Array, expected: Array, tolerance: float) -> Difference:
    """Integers must be equal; floats may differ by ``tolerance`` times the largest magnitude expected."""
    if np.array_equal(actual, expected):
        return Difference(0, 0.0, True)
    gap = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
    gap = np.where(np.isnan(gap), np.inf, gap)
    allowed = tolerance * float(np.max(np.abs(expected))) if expected.dtype.kind == "f" else 0.0
    return Difference(int(np.count_nonzero(gap > allowed)), float(gap.max()), False)


def validate(
    open_session: Callable[..., Session],
    target: str,
    model: ModelFile,
    samples: Iterable[Sequence[Array]],
    tolerance: float = DEFAULT_TOLERANCE,
    layers: bool = False,
    threads: int = 1,
) -> Validation:
    """Run every sample (the model's inputs, in its own shapes and dtypes) on a target and on the reference.

    ``open_session`` is the target's :meth:`~edgebnn.targets.interface.Target.open`.
    """
    session = open_session(model, threads=threads, exact=True)
    taken, failing, differences = 0, list[Sequence[Array]](), list[Difference]()
    for sample in samples:
        expected = execute.run(model.graph, sample)
        found = [compare(a, e, tolerance) for a, e in zip(session.run(sample), expected, strict=True)]
        differences += found
        if any(d.mismatches for d in found):
            failing.append(sample)
        if not taken:
            first = sample
        taken += 1
    if not taken:
        raise InputError(f"{model.name}: no samples to validate with")
    traced: list[tuple[LayerCheck, ...]] = []
    if layers or failing:
        tracing = open_session(model, threads=threads, exact=True, trace=True)
        traced = [check_layers(tracing, model.graph, sample, tolerance) for sample in failing or [first]]
    departures = [next((check for check in checks if check.departs), None) for checks in traced]
    floats = all(model.graph.tensors[i].dtype.numpy.kind == "f" for i in model.graph.outputs)
    explained = bool(failing) and floats and not any(departures)
    return Validation(
        target=target,
        model=model.name,
        samples=taken,
        passed=not failing or explained,
        tolerance=tolerance,
        bit_exact=all(d.bit_exact for d in differences),
        max_abs_diff=max(d.max_abs for d in differences),
        mismatches=sum(d.mismatches for d in differences),
        explained_by_rounding=explained,
        first_departure=next((check for check in departures if check is not None), None),
        layers=traced[0] if layers else None,
    )


def check_layers(session: Session, graph: Graph, sample: Sequence[Array], tolerance: float) -> tuple[LayerCheck, ...]:
    """Compare every op that the target shows, on one sample."""
    actual = session.trace(sample)
    expected = execute.trace(graph, sample)
    checks = []
    for index, op in enumerate(graph.ops):
        shown = [i for i in op.outputs if i in actual]
        if not shown:
            continue
        total = [compare(actual[i], expected[i], tolerance) for i in shown]
        own = [compare(actual[i], value, tolerance) for i, value in _recomputed(graph, index, actual) if i in actual]
        checks.append(
            LayerCheck(
                index=index,
                op=op.kind,
                name=graph.op_name(index),
                bit_exact=all(d.bit_exact for d in total),
                max_abs_diff=max(d.max_abs for d in total),
                departs=any(d.mismatches for d in own),
            )
        )
    return tuple(checks)


def _recomputed(graph: Graph, index: int, values: dict[int, Array]) -> list[tuple[int, Array]]:
    """The reference's outputs of one op from the target's own inputs; none where an input is not shown."""
    op = graph.ops[index]
    inputs: list[Array | None] = []
    for i in op.inputs:
        constant = None if i == ABSENT else graph.tensors[i].data
        if i != ABSENT and constant is None and i not in values:
            return []
        inputs.append(None if i == ABSENT else constant if constant is not None else values[i])
    return list(zip(op.outputs, OPS[op.kind].run(op_view(graph, index), tuple(inputs)), strict=True))
