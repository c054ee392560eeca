"""Makes a float file of LCE's int8 around its binary ops, with ranges taken from samples.

The graph is what it is by then, so nothing has to be guessed of layers: the range of every tensor of the float file is
measured. TensorFlow Lite's quantizer does the arithmetic, on the graph without LCE's ops, which it does not know: their
results are inputs to it, and what they read are outputs. Put back, LCE's ops write and read int8 where their neighbours
do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgebnn.graph.ops import OPS
from edgebnn.graph.types import ABSENT, Array, DType, Graph, Op, Quantization, Tensor

from .batch_norms import as_depthwise
from .branches import apart
from .factors import representable
from .own_scales import Freed, free
from .ranges import STEPS, Range, measured_ranges
from .read_tflite import read
from .rewriting import without_dead_ops, without_unused
from .write_tflite import to_bytes

_SAME_SCALE = 1e-5  # relative; the quantizer computes in double


def int8_around_binary(graph: Graph, samples: Sequence[Array], quantize: Callable[[bytes], bytes]) -> Graph:
    """The float ``graph`` with int8 tensors where TensorFlow Lite has int8 kernels; its inputs and outputs stay float.

    Args:
        graph: with or without LCE's ops, of batch size 1.
        samples: for each input of the graph an array [samples, ...], as the model takes it.
        quantize: the int8 file of a float one that holds the ranges of its tensors, see :func:`.from_keras.quantize`.

    Raises:
        EdgebnnError: the runtime or the quantizer fails.
    """
    graph = apart(graph)
    ranges = measured_ranges(graph, samples)
    normed = as_depthwise(graph, ranges)
    if normed.graph is not graph:
        ranges = measured_ranges(normed.graph, samples)
    freed = free(normed.graph, ranges, normed.thresholds)
    rest = _without_custom_ops(freed)
    if not rest.ops:
        return graph
    return representable(_joined(freed, rest, read(quantize(to_bytes(rest, freed.ranges)), name=graph.name)))


def with_int8_ends(graph: Graph) -> Graph:
    """``graph`` with int8 in place of the float inputs that are only made int8, and of the float outputs that are made
    of int8 and nothing else. The names of ends are left to :func:`.keras_names.renamed`."""
    taken = {i: _only_form(graph, i) for i in graph.inputs}
    given = {op.outputs[0]: op.inputs[0] for op in graph.ops if op.kind == "DEQUANTIZE"}
    inputs = {i: form for i, form in taken.items() if form is not None}
    ends = replace(
        graph,
        ops=tuple(op for op in graph.ops if not set(op.outputs) & set(inputs.values())),
        inputs=tuple(inputs.get(i, i) for i in graph.inputs),
        outputs=tuple(given.get(i, i) for i in graph.outputs),
        signatures=(),
    )
    return without_dead_ops(ends)


def _only_form(graph: Graph, index: int) -> int | None:
    """The int8 tensor that a float input is read as, if it is read as nothing else."""
    readers = [op for op in graph.ops if index in op.inputs]
    return readers[0].outputs[0] if len(readers) == 1 and readers[0].kind == "QUANTIZE" else None


def _is_custom(op: Op) -> bool:
    return OPS[op.kind].custom


def _without_custom_ops(freed: Freed) -> Graph:
    """The other ops of the graph: inputs are what they read but do not make, outputs what others read of them.

    What nobody reads is an output too: the quantizer leaves ops with unused results in float in some runs.
    """
    graph = freed.graph
    others = tuple(op for op in graph.ops if not _is_custom(op))
    custom = [op for op in graph.ops if _is_custom(op)]
    made, read_here = {i for op in others for i in op.outputs}, {i for op in others for i in op.inputs}
    given = (*graph.inputs, *(i for op in custom for i in op.outputs), *freed.copies)
    unread = (i for op in others for i in op.outputs if i not in read_here)
    wanted = dict.fromkeys((*graph.outputs, *(i for op in custom for i in op.inputs), *freed.copies.values(), *unread))
    return replace(
        graph,
        ops=others,
        inputs=tuple(i for i in given if i in read_here),
        outputs=tuple(i for i in wanted if i in made),
        signatures=(),
        metadata=(),
    )


def _joined(freed: Freed, rest: Graph, quantized: Graph) -> Graph:
    """The graph with the ops of ``quantized``, the int8 form of ``rest``, in place of those of ``rest``."""
    graph, tensors = freed.graph, list(quantized.tensors)
    place = dict(zip((*rest.inputs, *rest.outputs), (*quantized.inputs, *quantized.outputs), strict=True))
    copies = {place.pop(copy): source for copy, source in freed.copies.items() if copy in place}
    for old, new in place.items():
        tensors[new] = replace(tensors[new], name=graph.tensors[old].name)
    place[ABSENT] = ABSENT

    def placed(index: int) -> int:
        if index not in place:
            place[index] = len(tensors)
            tensors.append(graph.tensors[index])
        return place[index]

    custom = [
        replace(op, inputs=tuple(map(placed, op.inputs)), outputs=tuple(map(placed, op.outputs)))
        for op in graph.ops
        if _is_custom(op)
    ]
    others = [
        replace(op, inputs=tuple(placed(copies[i]) if i in copies else i for i in op.inputs)) for op in quantized.ops
    ]
    inputs, outputs = tuple(map(placed, graph.inputs)), tuple(map(placed, graph.outputs))
    signatures = tuple(
        replace(
            signature,
            inputs=tuple((name, placed(i)) for name, i in signature.inputs),
            outputs=tuple((name, placed(i)) for name, i in signature.outputs),
        )
        for signature in graph.signatures
    )
    ranges = {place[i]: given for i, given in freed.ranges.items() if i in place}
    ops = _reading_int8([*custom, *others], tensors)
    ops = _writing_int8(ops, tensors, outputs, ranges)
    known = {*inputs, *(i for i, tensor in enumerate(tensors) if tensor.data is not None), ABSENT}
    joined = replace(
        graph,
        tensors=tuple(tensors),
        ops=_in_order(ops, known),
        inputs=inputs,
        outputs=outputs,
        signatures=signatures,
    )
    return without_unused(without_dead_ops(joined))


def _reading_int8(ops: Sequence[Op], tensors: Sequence[Tensor]) -> list[Op]:
    """``ops`` without detours from int8 through float: signs are the same, and QUANTIZE takes int8 too."""
    sources = {
        op.outputs[0]: op.inputs[0]
        for op in ops
        if op.kind == "DEQUANTIZE" and tensors[op.inputs[0]].dtype == DType.INT8
    }
    return [
        replace(op, inputs=tuple(sources.get(i, i) for i in op.inputs))
        if op.kind in ("LceQuantize", "QUANTIZE")
        else op
        for op in ops
    ]


def _writing_int8(
    ops: Sequence[Op], tensors: list[Tensor], outputs: Sequence[int], ranges: Mapping[int, Range]
) -> list[Op]:
    """``ops``, LCE's writing int8 themselves where QUANTIZE would make that of their results; changes ``tensors``."""
    replaced: dict[int, int] = {}
    for result in (op.outputs[0] for op in ops if _is_custom(op)):
        readers = [op for op in ops if result in op.inputs]
        forms = {op.outputs[0]: tensors[op.outputs[0]].quantization for op in readers if op.kind == "QUANTIZE"}
        others = [op for op in readers if op.kind not in ("QUANTIZE", "LceQuantize")]
        if not forms or others or result in outputs or tensors[result].dtype != DType.FLOAT32:
            continue
        quantization = _quantization(ranges[result], [form for form in forms.values() if form is not None])
        tensors[result] = replace(tensors[result], dtype=DType.INT8, quantization=quantization)
        replaced |= {index: result for index, form in forms.items() if form == quantization}
    return [
        replace(op, inputs=tuple(replaced.get(i, i) for i in op.inputs))
        for op in ops
        if not set(op.outputs) & set(replaced)
    ]


def _quantization(given: Range, forms: Sequence[Quantization]) -> Quantization:
    """Of int8 over a range: that of one of ``forms`` which has it, if there is one."""
    low, high = given
    scale = np.float32((high - low) / STEPS)
    zero_point = round(-128 - low / float(scale))
    same = [form for form in forms if abs(form.scale[0] / scale - 1) < _SAME_SCALE and form.zero_point == (zero_point,)]
    return same[0] if same else Quantization((float(scale),), (zero_point,))


def _in_order(ops: Sequence[Op], known: set[int]) -> tuple[Op, ...]:
    """``ops``, each behind those whose results it reads, and otherwise as they are."""
    waiting, ordered = list(ops), []
    while waiting:
        ready = next(op for op in waiting if known.issuperset(op.inputs))
        waiting.remove(ready)
        known |= set(ready.outputs)
        ordered.append(ready)
    return tuple(ordered)
