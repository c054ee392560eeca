"""The self-test of a package: inputs that are stored, and how the outputs for them are checked."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgebnn.errors import ValueRefusedError
from edgebnn.graph.execute import run
from edgebnn.graph.types import Array, Graph, Tensor

from .c_text import Tables, real
from .package import Argument
from .program import NamedStep

SEED = 20_16
"""Of the input that the self-test runs on."""
TOLERANCE = 1e-3
"""By which outputs may differ where floats are computed, as a share of the largest one."""


@dataclass(frozen=True)
class SelfTest:
    """The tables of the stored inputs, and the statements that check the outputs; ``compares_floats``: some of them
    within a tolerance, not by CRC-32."""

    inputs: tuple[str, ...]
    checks: tuple[str, ...]
    compares_floats: bool


def make_selftest(
    graph: Graph,
    steps: Sequence[NamedStep],
    arguments: tuple[Sequence[Argument], Sequence[Argument]],
    tables: Tables,
    name: str,
) -> SelfTest | None:
    """The self-test of a network.

    Args:
        graph: as it is generated.
        steps: what it computes.
        arguments: its inputs and its outputs.
        tables: to which stored values are added.
        name: the package's.

    Returns:
        None if the reference refuses all inputs that are tried: divisors of 0, and indices that are none.
    """
    inputs, outputs = arguments
    stored = _stored_run(graph, inputs)
    if stored is None:
        return None
    values, expected = stored
    tensors = graph.tensors
    exact = all(tensors[t].dtype.numpy.kind != "f" for step in steps for t in (*step.inputs, *step.outputs))
    checks = [_check(argument, y, exact, tables, name) for argument, y in zip(outputs, expected, strict=True)]
    names = tuple(tables.name_of(x, "selftest_input") for x in values)
    floats = not exact and any(argument.tensor.dtype.numpy == np.float32 for argument in outputs)
    return SelfTest(names, tuple(check for check in checks if check), compares_floats=floats)


def _stored_run(graph: Graph, inputs: Sequence[Argument]) -> tuple[tuple[Array, ...], tuple[Array, ...]] | None:
    """Inputs with the outputs for them."""
    for values in (_noise, _ones, _zeros):
        tried = tuple(values(argument.tensor) for argument in inputs)
        try:
            return tried, run(graph, tried)
        except ValueRefusedError:
            continue
    return None


def _check(argument: Argument, expected: Array, exact: bool, tables: Tables, name: str) -> str:
    """The statement that checks an output.

    Where floats are computed on the way, float outputs are compared within a tolerance, and others, which one
    rounding may have tipped, not at all.
    """
    plain = np.ascontiguousarray(expected)
    if exact:
        return f"if (eb_crc32(0, {argument.name}, {plain.nbytes}u) != {zlib.crc32(plain.tobytes())}u) return 2;"
    if plain.dtype != np.float32:
        return ""
    finite = np.abs(plain[np.isfinite(plain)])
    tolerance = real(TOLERANCE * float(finite.max(initial=0)) + 1e-30)
    table = tables.name_of(plain, "selftest_output")
    return f"if (!{name}_is_near({argument.name}, {table}, {plain.size}, {tolerance})) return 2;"


def _noise(tensor: Tensor) -> Array:
    source = np.random.default_rng(SEED)
    dtype = tensor.dtype.numpy
    if dtype.kind == "f":
        return source.uniform(-1, 1, tensor.shape).astype(dtype)
    if dtype.kind == "b" or dtype.itemsize > 2:  # small indices; words whose upper bits may be unused
        return source.integers(0, 2, tensor.shape).astype(dtype)
    bounds = np.iinfo(dtype)
    return source.integers(max(bounds.min, -128), min(bounds.max, 127) + 1, tensor.shape, dtype)


def _ones(tensor: Tensor) -> Array:
    return np.ones(tensor.shape, tensor.dtype.numpy)


def _zeros(tensor: Tensor) -> Array:
    return np.zeros(tensor.shape, tensor.dtype.numpy)
