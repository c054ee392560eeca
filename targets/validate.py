"""Does a target compute what the reference executor computes, and if not, from which layer on?

Integer outputs must be equal. Float outputs must agree within a tolerance relative to the output's range.
A binary network can turn a difference of one unit in the last place of a float into a flipped sign and so into
a large difference at the end; therefore, where the target shows its inner tensors, every sample with a float difference
is looked into: each op is recomputed by the reference from the *target's own* inputs. If all agree, the target is right
and the difference is rounding that a sign, or terms that cancel, amplified; this is said (``explained_by_rounding``),
never hidden. Samples are taken one by one and none is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgebnn.errors import InputError
from edgebnn.graph import counts, execute
from edgebnn.graph.opdef import op_view
from edgebnn.graph.types import ABSENT, Array, Graph

from .model_file import ModelFile, Session

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

    first_departure: the first layer at fault, of the first sample that shows one; None where there is none.
    layers:          all layers, of that sample, or of the first where none mismatches; only if they were requested.
    inexact:         the ops that the target did not run on reference kernels, as it has none for them.
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
    inexact: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """How two arrays differ: elements beyond the tolerance, and the largest absolute difference."""

    mismatches: int
    max_abs: float
    bit_exact: bool


def compare(actual: Array, expected: Array, tolerance: float) -> Difference:
    """How an array differs from what it should be.

    Args:
        actual: the array.
        expected: what it should be.
        tolerance: of floats, as a share of the largest finite magnitude expected; integers must be equal.

    Returns:
        The elements beyond the tolerance, and the largest difference.
    """
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return Difference(max(1, expected.size), np.inf, False)
    same = (actual == expected) | ((actual != actual) & (expected != expected))  # both NaN
    with np.errstate(invalid="ignore"):
        gap = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
    gap = np.where(same, 0.0, np.where(np.isnan(gap), np.inf, gap))
    finite = np.abs(expected[np.isfinite(expected)]) if expected.dtype.kind == "f" else np.zeros(0)
    allowed = tolerance * float(finite.max(initial=0.0))
    return Difference(int(np.count_nonzero(gap > allowed)), float(gap.max(initial=0.0)), bool(same.all()))


def validate(
    open_session: Callable[..., Session],
    target: str,
    model: ModelFile,
    samples: Iterable[Sequence[Array]],
    tolerance: float = DEFAULT_TOLERANCE,
    layers: bool = False,
    threads: int = 1,
) -> Validation:
    """Run samples on a target and on the reference.

    Args:
        open_session: the target's :meth:`~edgebnn.targets.interface.Target.open`.
        target: its name.
        model: the file.
        samples: the model's inputs, in its own shapes and dtypes.
        tolerance: of float outputs, as a share of their range.
        layers: compare every layer, too.
        threads: of every op.

    Returns:
        Whether they agree, and if not, from which layer on.

    Raises:
        EdgebnnError: the model cannot run on either, or there are no samples.
    """
    session = open_session(model, threads=threads, exact=True)
    outcome, traces = (
        _Outcome(),
        _Traces(lambda: open_session(model, threads=threads, exact=True, trace=True), tolerance),
    )
    for sample in samples:
        graph = model.graph_for(sample)
        if not graph.outputs:
            raise InputError(f"{model.name}: has no outputs to compare")
        expected = execute.run(graph, sample)
        found = [compare(a, e, tolerance) for a, e in zip(session.run(sample), expected, strict=True)]
        outcome = outcome.with_sample(found)
        if any(d.mismatches for d in found):
            traces.find_departure(graph, sample)
        elif layers and traces.first is None and outcome.samples == 1:
            traces.passing = traces.check(graph, sample)
        floats = all(e.dtype.kind == "f" for e in expected)
    if not outcome.samples:
        raise InputError(f"{model.name}: no samples to validate with")
    explained = outcome.failing > 0 and floats and traces.departure is None
    return Validation(
        target=target,
        model=model.name,
        samples=outcome.samples,
        passed=not outcome.failing or explained,
        tolerance=tolerance,
        bit_exact=outcome.bit_exact,
        max_abs_diff=outcome.max_abs,
        mismatches=outcome.mismatches,
        explained_by_rounding=explained,
        first_departure=traces.departure,
        layers=(traces.first or traces.passing) if layers else None,
        inexact=session.inexact,
    )


@dataclass(frozen=True)
class _Outcome:
    """What the samples so far came to."""

    samples: int = 0
    failing: int = 0
    mismatches: int = 0
    max_abs: float = 0.0
    bit_exact: bool = True

    def with_sample(self, found: Sequence[Difference]) -> _Outcome:
        return _Outcome(
            samples=self.samples + 1,
            failing=self.failing + any(d.mismatches for d in found),
            mismatches=self.mismatches + sum(d.mismatches for d in found),
            max_abs=max(self.max_abs, *(d.max_abs for d in found)),
            bit_exact=self.bit_exact and all(d.bit_exact for d in found),
        )


@dataclass
class _Traces:
    """Failing samples looked into as they come, and dropped: until one shows a layer at fault, which decides."""

    open_session: Callable[[], Session]
    tolerance: float
    session: Session | None = None
    first: tuple[LayerCheck, ...] | None = None
    passing: tuple[LayerCheck, ...] | None = None
    departure: LayerCheck | None = None

    def check(self, graph: Graph, sample: Sequence[Array]) -> tuple[LayerCheck, ...]:
        self.session = self.session or self.open_session()
        return check_layers(self.session, graph, sample, self.tolerance)

    def find_departure(self, graph: Graph, sample: Sequence[Array]) -> None:
        if self.departure is not None:
            return
        checks = self.check(graph, sample)
        self.departure = next((check for check in checks if check.departs), None)
        if self.first is None or self.departure is not None:
            self.first = checks


def check_layers(session: Session, graph: Graph, sample: Sequence[Array], tolerance: float) -> tuple[LayerCheck, ...]:
    """Compare every op that the target shows, on one sample.

    Args:
        session: the model on the target, opened with ``trace``.
        graph: the model, of the sample's shapes.
        sample: an array for each input.
        tolerance: of floats, as a share of the range of the tensor compared.

    Returns:
        One check an op, in the order of the graph.
    """
    actual = session.trace(sample)
    expected = execute.trace(graph, sample)
    checks = []
    for index, op in enumerate(graph.ops):
        shown = [i for i in op.outputs if i in actual]
        if not shown:
            continue
        total = [compare(actual[i], expected[i], tolerance) for i in shown]
        checks.append(
            LayerCheck(
                index=index,
                op=op.kind,
                name=graph.op_name(index),
                bit_exact=all(d.bit_exact for d in total),
                max_abs_diff=max(d.max_abs for d in total),
                departs=_departs(graph, index, actual, tolerance),
            )
        )
    return tuple(checks)


def _departs(graph: Graph, index: int, actual: dict[int, Array], tolerance: float) -> bool:
    """Whether one op gives something else than the reference does for the target's own inputs, beyond rounding."""
    for i, expected in _recomputed(graph, index, actual):
        if i in actual and compare(actual[i], expected, tolerance).mismatches:
            return not _is_cancellation(graph, index, actual, actual[i], expected)
    return False


_SUMS = frozenset(("MEAN", "SUM", "AVERAGE_POOL_2D"))
_ROUNDING = 2e-6
"""Of the sum of the magnitudes of all terms: some 30 units in float32's last place."""


def _is_cancellation(graph: Graph, index: int, values: dict[int, Array], actual: Array, expected: Array) -> bool:
    """Whether a float sum differs only as it does in another order of its terms: where they cancel, by a lot of the
    result, but by little of the terms."""
    op = graph.ops[index]
    sums = op.kind in _SUMS or counts.op_macs(graph, index).float > 0
    if not sums or expected.dtype.kind != "f" or actual.shape != expected.shape:
        return False
    magnitudes = {i: np.abs(value) if value.dtype.kind == "f" else value for i, value in values.items()}
    constants = tuple(
        replace(tensor, data=np.abs(tensor.data))
        if tensor.data is not None and tensor.data.dtype.kind == "f"
        else tensor
        for tensor in graph.tensors
    )
    terms = dict(_recomputed(replace(graph, tensors=constants), index, magnitudes))
    return all(bool((np.abs(actual - expected) <= _ROUNDING * np.abs(sum_)).all()) for sum_ in terms.values())


def _recomputed(graph: Graph, index: int, values: dict[int, Array]) -> list[tuple[int, Array]]:
    """The reference's outputs of one op from the target's own inputs; none where an input is not shown."""
    op = graph.ops[index]
    inputs: list[Array | None] = []
    for i in op.inputs:
        constant = None if i == ABSENT else graph.tensors[i].data
        if i != ABSENT and constant is None and i not in values:
            return []
        inputs.append(None if i == ABSENT else constant if constant is not None else values[i])
    return list(zip(op.outputs, execute.run_op(op_view(graph, index), tuple(inputs)), strict=True))
