"""Every op on single numbers, tensors without axes, as LiteRT computes them: NumPy has rules of its own for those."""

from __future__ import annotations

import numpy as np
import pytest

from edgebnn.converters.read_tflite import read
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import EdgebnnError, ModelFormatError
from edgebnn.graph.execute import run
from edgebnn.graph.ops import OPS
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import Array, DType, Graph, Quantization, Tensor
from edgebnn.runtime import litert_limits
from edgebnn.runtime.model import load
from tests.support.graphs import one_op, tensor
from tests.support.oracles import litert_run

_QUANTIZED = {DType.INT8: (0.05, 3), DType.UINT8: (0.05, 3)}


def _number(name: str, dtype: DType) -> Tensor:
    scale = _QUANTIZED.get(dtype)
    return Tensor(name, (), dtype, None if scale is None else Quantization((scale[0],), (scale[1],)))


def _graphs(kind: str) -> list[Graph]:
    """The op on one number and on two, of each of its types, as far as a file can hold it."""
    entry, found = OPS[kind], []
    for given, result in entry.types:
        for count in (1, 2):
            inputs = [_number(f"x{i}", given) for i in range(count)]
            try:
                graph = one_op(kind, entry.options(), inputs, [_number("y", result)])
                found.append(read(to_bytes(graph)))
            except EdgebnnError:
                continue
    return found


def _values(dtype: DType) -> Array:
    r = np.random.default_rng(1)
    return np.asarray(r.normal() if dtype == DType.FLOAT32 else r.integers(1, 20), dtype.numpy)


def _compared(kind: str) -> int:
    compared = 0
    for graph in _graphs(kind):
        values = [_values(graph.tensors[i].dtype) for i in graph.inputs]
        try:
            expected = run(graph, values)
            litert_limits.check(to_bytes(graph), kind)
            given = litert_run(graph, values)
        except (EdgebnnError, RuntimeError, ValueError):  # such as a number too many, or a root of a negative one
            continue
        for ours, theirs in zip(expected, given, strict=True):
            assert ours.shape == np.shape(theirs)
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, err_msg=f"{kind} {values}")
        compared += 1
    return compared


BUILTIN = [kind for kind, entry in OPS.items() if not entry.custom]


def test_the_reference_executor_computes_single_numbers_as_litert_does() -> None:
    compared = {kind: _compared(kind) for kind in BUILTIN}
    assert sum(compared.values()) > 100
    assert all(compared[kind] for kind in ("ADD", "DEQUANTIZE", "QUANTIZE", "HARD_SWISH", "CAST", "ABS", "LOGISTIC"))


def test_an_op_along_an_axis_is_refused_where_there_is_none() -> None:
    """LiteRT writes beside its memory."""
    graph = one_op("LOG_SOFTMAX", NoOptions(), [tensor("x", ())], [tensor("y", ())])
    with pytest.raises(ModelFormatError, match="layer 'y' is given one number, and LOG_SOFTMAX works along an axis"):
        load(to_bytes(graph))
