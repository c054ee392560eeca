"""LiteRT on its reference kernels, op by op.

They are bit-exact with the reference executor, but LiteRT's resolver of them lacks some ops, and then refuses the whole
file; and one kernel computes something else (:attr:`edgebnn.graph.opdef.OpDef.no_reference`). So a file that holds such
ops is cut at them: they run on LiteRT's other built-in kernels, all the rest on the reference ones.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from edgebnn.errors import EdgebnnError, InputError
from edgebnn.files import read_bytes
from edgebnn.graph.consistency import integers, layer_name
from edgebnn.graph.ops import OPS
from edgebnn.graph.schema import schema
from edgebnn.graph.types import ABSENT, Array
from edgebnn.kernels.schedules import Schedule

from .interpreter import Interpreter
from .litert import OpResolverType
from .profile import Profile
from .source import open_model

_OTHER = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
_TYPES = {value: name for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
_UNRESOLVED = re.compile(r"Didn't find op for builtin opcode '(\w+)'")
_MOST_PARTS = 256
"""Each is an interpreter of its own."""


def open_exact(model_path: str | None = None, model_content: bytes | None = None, **options: Any) -> Interpreter:
    """An interpreter whose ops that are not edgebnn's run on LiteRT's reference kernels, as far as it has them.

    Args:
        model_path: the file, or None.
        model_content: its content, where no path is given.
        options: the others of :class:`Interpreter`, but for the resolver.

    Returns:
        The interpreter; its ``inexact`` names the ops that run on other kernels.

    Raises:
        EdgebnnError: as of :class:`Interpreter`.
    """
    given = {"model_content": model_content} if model_path is None else {"model_path": model_path}
    kinds = {entry.kind: {dtype.name for dtype in entry.no_reference} for entry in OPS.values() if entry.no_reference}
    content = (model_content or b"") if model_path is None else read_bytes(model_path)
    source = open_model(content if model_path is None else model_path)
    while True:
        lacking = _lacking(content, kinds)
        if lacking:
            return _CutInterpreter(content, source.name, lacking, options)
        try:
            return Interpreter(**given, **options, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
        except EdgebnnError as error:
            unresolved = _UNRESOLVED.search(str(error))
            if unresolved is None or unresolved[1] in kinds:
                raise
            kinds[unresolved[1]] = set(_TYPES.values())


def _lacking(content: bytes, kinds: Mapping[str, Collection[str]]) -> dict[int, str]:
    """The ops of a file's first graph that must not run on reference kernels: by index, their kind and layer."""
    model = schema.Model.GetRootAs(content)
    graph = model.Subgraphs(0)
    found = {}
    for number in range(graph.OperatorsLength()):
        op = graph.Operators(number)
        code = model.OperatorCodes(op.OpcodeIndex())
        kind = _NAMES.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "")
        first = next((index for index in integers(op.InputsAsNumpy()) if index != ABSENT), None)
        dtype = "" if first is None else _TYPES.get(graph.Tensors(first).Type(), "")
        if dtype in kinds.get(kind, ()):
            found[number] = f"{kind} '{layer_name(graph, op, number)}'"
    return found


@dataclass(frozen=True)
class _Part:
    """Ops that follow each other: an interpreter of them alone, and the tensors that go in and out."""

    interpreter: Interpreter
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def run(self, values: Mapping[int, Array]) -> dict[int, Array]:
        present = {int(detail["index"]): detail for detail in self.interpreter.get_input_details()}
        if any(tuple(present[index]["shape"]) != values[index].shape for index in self.inputs):
            for index in self.inputs:
                self.interpreter.resize_tensor_input(index, values[index].shape)
            self.interpreter.allocate_tensors()
        for index in self.inputs:
            self.interpreter.set_tensor(index, values[index])
        self.interpreter.invoke()
        return {index: self.interpreter.get_tensor(index) for index in self.outputs}


class _CutInterpreter(Interpreter):
    """The whole file on LiteRT's other kernels, which describes tensors and holds inputs, and the parts that are run.

    Where a file cannot be cut (its ops share a state, or run further graphs) the whole of it runs on other kernels.
    """

    def __init__(self, content: bytes, name: str, lacking: Mapping[int, str], options: Mapping[str, Any]) -> None:
        super().__init__(model_content=content, experimental_op_resolver_type=_OTHER, **options)
        self.source = replace(self.source, name=name)
        parts = _cut(content, lacking)
        self.inexact = tuple(lacking.values()) if parts else ("every op of the file",)
        schedule: Schedule | None = options.get("schedule")
        self._parts = tuple(
            _Part(_opened(cut, exact, {**options, "schedule": schedule and schedule.of_ops(numbers)}), inputs, outputs)
            for cut, numbers, exact, inputs, outputs in parts
        )
        self._values: dict[int, Array] = {}
        for part in self._parts:
            part.interpreter.allocate_tensors()

    def invoke(self) -> None:
        if not self._parts:
            super().invoke()
            return
        self._values = {
            int(detail["index"]): super(_CutInterpreter, self).get_tensor(int(detail["index"]))
            for detail in self.get_input_details()
        }
        for part in self._parts:
            self._values.update(part.run(self._values))

    def get_tensor(self, tensor_index: int, subgraph_index: int = 0) -> Array:
        if tensor_index in self._values:
            return self._values[tensor_index]
        for part in self._parts:
            if any(tensor_index in node.outputs for node in part.interpreter.nodes()):
                inner: Array = part.interpreter.get_tensor(tensor_index)
                return inner
        whole: Array = super().get_tensor(tensor_index, subgraph_index)
        return whole

    def profile(self, repeats: int = 30) -> Profile:
        raise InputError(f"{self.source.name}: a model on reference kernels is not profiled; open it without exact")


def _opened(content: bytes, exact: bool, options: Mapping[str, Any]) -> Interpreter:
    resolver = OpResolverType.BUILTIN_REF if exact else _OTHER
    return Interpreter(model_content=content, experimental_op_resolver_type=resolver, **options)


_Cut = tuple[bytes, list[int], bool, tuple[int, ...], tuple[int, ...]]
"""A file of some of the ops, their indices in the whole file, whether they have reference kernels, and the tensors that
go in and out."""


def _cut(content: bytes, lacking: Collection[int]) -> list[_Cut]:
    """The file cut where ops with and without reference kernels meet; nothing where that is not possible."""
    model = schema.Model.GetRootAs(content)
    graph = model.Subgraphs(0)
    stateful = any(graph.Tensors(index).IsVariable() for index in range(graph.TensorsLength()))
    stretches = [
        (exact, list(numbers)) for exact, numbers in groupby(range(graph.OperatorsLength()), lambda n: n not in lacking)
    ]
    if stateful or model.SubgraphsLength() > 1 or len(stretches) > _MOST_PARTS or not _slots(graph):
        return []
    ops = [graph.Operators(number) for number in range(graph.OperatorsLength())]
    written = [[i for i in integers(op.OutputsAsNumpy()) if i != ABSENT] for op in ops]
    read = [[i for i in integers(op.InputsAsNumpy()) if i != ABSENT] for op in ops]
    known, wanted = set(integers(graph.InputsAsNumpy())), set(integers(graph.OutputsAsNumpy()))
    cuts = []
    for exact, numbers in stretches:
        own = {index for number in numbers for index in written[number]}
        inputs = dict.fromkeys(i for n in numbers for i in read[n] if i in known and i not in own)
        later = wanted.union(*(read[number] for number in range(numbers[-1] + 1, len(ops))))
        outputs = [index for index in dict.fromkeys(i for n in numbers for i in written[n]) if index in later]
        known |= own
        if outputs:
            cut = _without_codes(
                _of_ops(content, graph, numbers, inputs, outputs), {ops[n].OpcodeIndex() for n in numbers}
            )
            cuts.append((cut, numbers, exact, tuple(inputs), tuple(outputs)))
    return cuts


_INPUTS, _OUTPUTS, _OPERATORS = 6, 8, 10
"""Places of these fields in the vtable of a SubGraph."""

_SIGNATURES = 18
"""Of this field in the vtable of a Model: its vector is emptied."""


def _slots(graph: Any) -> tuple[int, ...]:
    """Where the fields stand in the file; nothing where one is absent."""
    found = tuple(graph._tab.Offset(place) for place in (_INPUTS, _OUTPUTS, _OPERATORS))
    return tuple(graph._tab.Pos + offset for offset in found) if all(found) else ()


_CODE_FIELDS = {4: "<b", 8: "<i", 10: "<i"}
"""Of an OperatorCode, by place in its vtable: the kind of op as of old, its version, the kind since there are 128."""


def _without_codes(content: bytes, used: Collection[int]) -> bytes:
    """The file with all other codes of ops made those of ADD: LiteRT asks for a kernel of each, used or not."""
    data = bytearray(content)
    model = schema.Model.GetRootAs(content)
    for index in set(range(model.OperatorCodesLength())) - set(used):
        code = model.OperatorCodes(index)
        if code.CustomCode() is not None:
            continue
        for place, form in _CODE_FIELDS.items():
            offset = code._tab.Offset(place)
            if offset:
                struct.pack_into(form, data, code._tab.Pos + offset, int(place == 8))
    return bytes(data)


def _of_ops(
    content: bytes, graph: Any, numbers: Sequence[int], inputs: Collection[int], outputs: Sequence[int]
) -> bytes:
    """The file with some of its ops only, other inputs and other outputs, and no signatures.

    Offsets in flatbuffers point forward. So the list of ops is shortened where it stands, and the new lists of inputs
    and outputs are put behind everything else.
    """
    data = bytearray(content)
    model = schema.Model.GetRootAs(content)
    signatures = model._tab.Offset(_SIGNATURES)
    if signatures:  # which name other results
        struct.pack_into("<I", data, model._tab.Vector(signatures) - 4, 0)
    at_inputs, at_outputs, at_operators = _slots(graph)
    start = at_operators + struct.unpack_from("<I", data, at_operators)[0]
    for place, number in enumerate(numbers):
        to, source = start + 4 + 4 * place, start + 4 + 4 * number
        struct.pack_into("<I", data, to, source + struct.unpack_from("<I", content, source)[0] - to)
    struct.pack_into("<I", data, start, len(numbers))
    for slot, indices in ((at_inputs, inputs), (at_outputs, outputs)):
        data += bytes(-len(data) % 4)
        struct.pack_into("<I", data, slot, len(data) - slot)
        data += struct.pack("<I", len(indices)) + np.asarray(list(indices), "<i4").tobytes()
    return bytes(data)
