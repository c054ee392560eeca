"""The graphs of a file that can be run, and whether they keep a state from one run to the next.

To be called after :mod:`edgebnn.graph.flatbuffer` and :mod:`edgebnn.graph.consistency`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from edgebnn.errors import InputError, one_line
from edgebnn.graph.consistency import Bytes, integers, text
from edgebnn.graph.schema import schema

State = Literal["none", "tensors", "resources"]
"""What a graph keeps between runs: nothing; variable tensors, as of LSTM cells, which the interpreter can reset; or
variables and random generators, which begin anew in a new interpreter alone."""

_OPS = schema.BuiltinOperator
_KEEPING = frozenset(
    getattr(_OPS, name)
    for name in ("ASSIGN_VARIABLE", "RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL", "MULTINOMIAL")
    if hasattr(_OPS, name)
)


@dataclass(frozen=True)
class Entry:
    """One graph of a file that can be run.

    ``signature``: its name in the file, None for the first graph of a file that names none. ``subgraph``: its number.
    ``inputs`` and ``outputs``: tensor indices, in the order of the graph. ``arguments``: the signature's names of the
    inputs and of the outputs.
    """

    signature: str | None
    subgraph: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    arguments: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())


def entries(data: Bytes) -> tuple[Entry, ...]:
    """The signatures of a file, or its first graph where it has none."""
    model = schema.Model.GetRootAs(data)
    found = [_entry(model, model.SignatureDefs(i)) for i in range(model.SignatureDefsLength())]
    first = model.Subgraphs(0)
    plain = Entry(None, 0, tuple(integers(first.InputsAsNumpy())), tuple(integers(first.OutputsAsNumpy())))
    return tuple(found) or (plain,)


def alike(found: tuple[Entry, ...]) -> bool:
    """Whether all run the same graph for the same results."""
    return len({(entry.subgraph, frozenset(entry.inputs), frozenset(entry.outputs)) for entry in found}) == 1


def choose(found: tuple[Entry, ...], signature: str | None, name: str) -> Entry:
    """The entry called ``signature``, or the only one.

    Args:
        found: the entries of the file that messages call ``name``.

    Raises:
        InputError: there is none of this name, or several and none is named.
    """
    named = {entry.signature: entry for entry in found if entry.signature is not None}
    known = ", ".join(f"'{key}'" for key in named)
    if signature is not None:
        if signature not in named:
            what = f"its signatures are {known}" if named else "it names none"
            raise InputError(one_line(f"{name}: has no signature '{signature}'; {what}"))
        return named[signature]
    if not alike(found):
        raise InputError(one_line(f"{name}: has the signatures {known}; say which to run (signature=..., --signature)"))
    return found[0]


def state(data: Bytes, subgraph: int) -> State:
    """What one graph of a file keeps between runs, the graphs that its control flow calls included."""
    model = schema.Model.GetRootAs(data)
    reached, waiting = set[int](), [subgraph]
    result: State = "none"
    while waiting:
        index = waiting.pop()
        if index in reached or not 0 <= index < model.SubgraphsLength():
            continue
        reached.add(index)
        graph = model.Subgraphs(index)
        for number in range(graph.OperatorsLength()):
            op = graph.Operators(number)
            code = model.OperatorCodes(op.OpcodeIndex())
            kind = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
            if kind in _KEEPING:
                return "resources"
            waiting += _called(op)
        if any(graph.Tensors(i).IsVariable() for i in range(graph.TensorsLength())):
            result = "tensors"
    return result


_CALLS: dict[int, tuple[str, tuple[str, ...]]] = {
    schema.BuiltinOptions.IfOptions: ("IfOptions", ("ThenSubgraphIndex", "ElseSubgraphIndex")),
    schema.BuiltinOptions.WhileOptions: ("WhileOptions", ("CondSubgraphIndex", "BodySubgraphIndex")),
    schema.BuiltinOptions.CallOptions: ("CallOptions", ("Subgraph",)),
}
"""By options, of the ops that run other graphs; CALL_ONCE sets variables to what they begin with."""


def _called(op: Any) -> Iterable[int]:
    table, fields = _CALLS.get(op.BuiltinOptionsType(), ("", ()))
    union = op.BuiltinOptions()
    if not table or union is None:
        return ()
    options = getattr(schema, table)()
    options.Init(union.Bytes, union.Pos)
    return tuple(int(getattr(options, name)()) for name in fields)


def _entry(model: Any, signature: Any) -> Entry:
    """Its arguments in the order of the graph's inputs and outputs, not of their names. An input of the graph that the
    signature leaves out must be given all the same: it goes by the name of its tensor."""
    graph = model.Subgraphs(signature.SubgraphIndex())
    given = [signature.Inputs(i) for i in range(signature.InputsLength())]
    inputs = {argument.TensorIndex(): text(argument.Name()) for argument in given}
    results = [signature.Outputs(i) for i in range(signature.OutputsLength())]
    order = {index: place for place, index in reversed(list(enumerate(integers(graph.OutputsAsNumpy()))))}
    results.sort(key=lambda result: order[result.TensorIndex()])
    taken = tuple(integers(graph.InputsAsNumpy()))
    return Entry(
        signature=text(signature.SignatureKey()),
        subgraph=int(signature.SubgraphIndex()),
        inputs=taken,
        outputs=tuple(result.TensorIndex() for result in results),
        arguments=(
            tuple(inputs[index] if index in inputs else text(graph.Tensors(index).Name()) for index in taken),
            tuple(text(result.Name()) for result in results),
        ),
    )
