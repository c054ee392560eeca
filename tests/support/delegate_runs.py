"""Graphs of one input in the delegate, on reference kernels for what it leaves."""

from __future__ import annotations

from typing import Any

from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph.types import Array, Graph
from edgebnn.runtime.interpreter import Interpreter
from edgebnn.runtime.litert import OpResolverType


def delegate_run(graph: Graph, x: Array, threads: int = 1, *, preserve: bool = False, **options: Any) -> Interpreter:
    """After one inference of ``x``, of as many samples as it has; the graph is for one sample."""
    interpreter = Interpreter(
        model_content=to_bytes(graph),
        num_threads=threads,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=preserve,
        **options,
    )
    (source,) = graph.inputs
    interpreter.resize_tensor_input(source, x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source, x)
    interpreter.invoke()
    return interpreter
