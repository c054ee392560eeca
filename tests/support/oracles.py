"""The runtimes that edgebnn is compared with: LiteRT's reference kernels and the Larq Compute Engine's interpreter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgebnn.converters.write_tflite import to_bytes
from edgebnn.graph.ops import OPS
from edgebnn.graph.types import Array, Graph


def litert(
    content: bytes,
    inputs: Sequence[Array],
    preserve_all: bool = False,
    resolver: OpResolverType = OpResolverType.BUILTIN_REF,
) -> Interpreter:
    """LiteRT's interpreter after running ``inputs``, given in the order of the graph's; on its reference kernels."""
    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=resolver,
        experimental_preserve_all_tensors=preserve_all,
    )
    details = interpreter.get_input_details()
    for detail, array in zip(details, inputs, strict=True):
        if tuple(detail["shape"]) != array.shape:
            interpreter.resize_tensor_input(detail["index"], array.shape)
    interpreter.allocate_tensors()
    for detail, array in zip(details, inputs, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return interpreter


def litert_run(graph: Graph, inputs: Sequence[Array]) -> tuple[Array, ...]:
    """The outputs of ``graph`` on LiteRT's reference kernels, or on its others where those fail."""
    lacking = any(graph.tensors[op.inputs[0]].dtype in OPS[op.kind].no_reference for op in graph.ops)
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if lacking else OpResolverType.BUILTIN_REF
    interpreter = litert(to_bytes(graph), inputs, resolver=resolver)
    return tuple(interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details())


def lce_run(graph: Graph, inputs: Sequence[Array], reference: bool = True, indirect: bool = False) -> tuple[Array, ...]:
    """The outputs of ``graph`` in LCE's interpreter, sample by sample, on LCE's reference or optimised kernel, or on
    its indirect one, which runs groups as the first does.

    The graph's batch size must be 1; ``inputs`` hold any number of samples.
    """
    from larq_compute_engine.tflite.python.interpreter import Interpreter as LceInterpreter

    interpreter = LceInterpreter(to_bytes(graph), use_reference_bconv=reference, use_indirect_bgemm=indirect)
    outputs = interpreter.predict(list(inputs))
    return tuple(outputs) if isinstance(outputs, list) else (np.asarray(outputs),)
