"""Ops that only move elements, by one mechanism: the op's own semantics, run on the numbers of the elements, say which
input element each output element is; the map becomes strided copies, or a table where these would be too many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import chain
from types import MappingProxyType

import numpy as np

from edgebnn.converters.c_package import leads
from edgebnn.converters.c_package.program import Alias, Lowered, Step, Struct, Value
from edgebnn.converters.c_package.strided import FILL, Block, Loop, Map, blocks_of, copies, runs_of
from edgebnn.errors import UnsupportedOpError
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops import OPS as ENTRIES
from edgebnn.graph.ops.shape_ops import GatherOptions
from edgebnn.graph.ops.view import axis_of, bad_input, input_tensor, options, unsupported
from edgebnn.graph.types import Array, DType
from edgebnn.kernels.cores import Core

_ONE_INPUT = (
    *("TRANSPOSE", "SLICE", "STRIDED_SLICE", "UNPACK", "SPLIT_V", "TILE", "BROADCAST_TO", "PAD", "MIRROR_PAD"),
    *(
        "GATHER",
        "REVERSE_V2",
        "SPACE_TO_DEPTH",
        "DEPTH_TO_SPACE",
        "SPACE_TO_BATCH_ND",
        "BATCH_TO_SPACE_ND",
        "RESIZE_NEAREST_NEIGHBOR",
    ),
)
_DATA: Mapping[str, tuple[int, ...]] = dict.fromkeys(_ONE_INPUT, (0,)) | {"SPLIT": (1,), "FILL": (1,), "PADV2": (0, 2)}
"""Positions of the inputs whose elements are moved; the others say where to. Of ops that are not here: all."""
_MOST_LOOPS = 8
"""EB_MOVE_LOOPS"""
_MOST_BLOCKS = 256


def move(op: OpView, core: Core) -> Lowered:
    """The step of an op that moves elements.

    Raises:
        UnsupportedOpError: where they go is computed by the network.
    """
    data = _DATA.get(op.op.kind, tuple(range(len(op.inputs))))
    for index, tensor in enumerate(op.inputs):
        if index not in data and tensor is not None and tensor.data is None:
            raise unsupported(op, f"computed argument {tensor.name!r}", "arguments that are constants of the file")
    maps = _maps(op, data)
    size, elements = op.outputs[0].dtype.bytes, input_tensor(op, data[0]).elements
    if len(maps) == len(data) == 1 and _is_identity(maps[0], elements):
        return Alias(data[0])
    fill = _fill(op, data, maps[0]) if any((found.source == FILL).any() for found in maps) else None
    alone = len(data) == len(maps) == 1
    found = [blocks_of(one, _MOST_BLOCKS if alone else one.source.size) for one in maps]
    # What is filled comes last, so that the output may trail over the input.
    blocks = [sorted(_looped(of_one or ()), key=lambda block: block.source == FILL) for of_one in found]
    plan = [_numbers(block, i, size) for i, of_one in enumerate(blocks) for block in of_one]
    lead: dict[int, int] = {}
    if alone:
        run, places = runs_of(maps[0])
        if found[0] is None or places.size < sum(map(len, plan)):
            return _by_table(op, data[0], run, places * np.where(places == FILL, 1, size), fill)
        ends, starts = copies(blocks[0])
        lead[data[0]] = leads.copying(ends * size, np.where(starts == FILL, FILL, starts * size))
    fields: dict[str, Value] = {
        "blocks": len(plan),
        "element": size,
        "plan": np.asarray([*chain(*plan)], np.int32),
        "fill": fill,
    }
    return Step(
        function="eb_move",
        header="core/move.h",
        sources=("core/move.c",),
        layer=Struct("eb_move_layer", fields),
        inputs=data,
        leads=lead,
        arrays=True,
    )


def _by_table(op: OpView, data: int, run: int, places: Array, fill: Array | None) -> Step:
    size = op.outputs[0].dtype.bytes
    fields: dict[str, Value] = {
        "runs": places.size,
        "bytes": run * size,
        "element": size,
        "places": places.astype(np.int32),
        "fill": fill,
    }
    return Step(
        function="eb_move_table",
        header="core/move.h",
        sources=("core/move_table.c",),
        layer=Struct("eb_move_table_layer", fields),
        inputs=(data,),
        leads={data: leads.copying(np.arange(1, places.size + 1) * run * size, places)},
    )


def _maps(op: OpView, data: tuple[int, ...]) -> list[Map]:
    """For each output where its elements come from; inputs are numbered as they are in ``data``."""
    numbers, first = [], [1]  # 0 is what an op fills with where there are no scales
    for index in data:
        shape = input_tensor(op, index).shape
        count = int(np.prod(shape, dtype=np.int64))
        numbers.append(np.arange(first[-1], first[-1] + count, dtype=np.int64).reshape(shape))
        first.append(first[-1] + count)
    plain = replace(
        op,
        inputs=tuple(
            replace(t, dtype=DType.INT64, quantization=None, data=None) if t is not None and i in data else t
            for i, t in enumerate(op.inputs)
        ),
        outputs=tuple(replace(t, dtype=DType.INT64, quantization=None) for t in op.outputs),
    )
    values = [None if t is None else t.data for t in plain.inputs]
    for index, array in zip(data, numbers, strict=True):
        values[index] = array
    maps = []
    for result in ENTRIES[op.op.kind].run(plain, tuple(values)):
        source = np.where(result == 0, FILL, np.searchsorted(first, result, side="right") - 1)
        maps.append(Map(source, result - np.asarray(first)[np.maximum(source, 0)]))
    return maps


def _is_identity(found: Map, elements: int) -> bool:
    order = np.arange(found.element.size)
    return found.element.size == elements and bool(
        (found.source == 0).all() and (found.element.reshape(-1) == order).all()
    )


def _fill(op: OpView, data: tuple[int, ...], found: Map) -> Array:
    """The element that the op fills with: what it gives there whatever it is given."""
    values = [None if t is None else t.data for t in op.inputs]
    for index in data:
        tensor = input_tensor(op, index)
        values[index] = np.zeros(tensor.shape, tensor.dtype.numpy)
    result = ENTRIES[op.op.kind].run(op, tuple(values))[0]
    return np.asarray(result.reshape(-1)[found.source.reshape(-1) == FILL][:1])


def _looped(blocks: tuple[Block, ...]) -> list[Block]:
    """Blocks of at least one loop, and of no more than kernels have."""
    few = []
    waiting = list(reversed(blocks))
    while waiting:
        block = waiting.pop()
        if len(block.loops) > _MOST_LOOPS:
            outer, rest = block.loops[0], block.loops[1:]
            parts = [
                replace(block, to=block.to + i * outer.to_step, start=block.start + i * outer.from_step, loops=rest)
                for i in range(outer.count)
            ]
            waiting.extend(reversed(parts))
        else:
            few.append(block if block.loops else replace(block, loops=(Loop(1, 0, 0),)))
    return few


def _numbers(block: Block, output: int, size: int) -> list[int]:
    """A block as ``core/move.h`` has it."""
    start = 0 if block.source == FILL else block.start * size
    head = [output, block.to * size, block.source, start, block.run * size, len(block.loops)]
    return head + [n for loop in block.loops for n in (loop.count, loop.to_step * size, loop.from_step * size)]


def _gather(op: OpView, core: Core) -> Lowered:
    """By constant indices a movement like others, else at run time."""
    return _looked_up(op) if input_tensor(op, 1).data is None else move(op, core)


def _looked_up(op: OpView) -> Step:
    table, indices = input_tensor(op, 0), input_tensor(op, 1)
    if indices.dtype not in (DType.INT32, DType.INT64):
        raise UnsupportedOpError(
            f"layer {op.name!r}: GATHER by computed indices of {indices.dtype.value} has no C kernel; "
            "supported: int32, int64; cast them"
        )
    axis = axis_of(op, options(op, GatherOptions).axis, len(table.shape))
    if table.shape[axis] == 0:
        raise bad_input(op, "picks from no entries")
    fields: dict[str, Value] = {
        "outer": int(np.prod(table.shape[:axis], dtype=np.int64)),
        "entries": table.shape[axis],
        "bytes": int(np.prod(table.shape[axis + 1 :], dtype=np.int64)) * table.dtype.bytes,
        "indices": indices.elements,
    }
    return Step(
        function=f"eb_gather_{indices.dtype.value}",
        header="core/gather.h",
        sources=("core/gather.c",),
        layer=Struct("eb_gather_layer", fields),
        inputs=(0, 1),
    )


_KINDS = (*_ONE_INPUT, "SPLIT", "FILL", "ZEROS_LIKE", "PADV2", "CONCATENATION", "PACK")

OPS: Mapping[str, Callable[[OpView, Core], Lowered]] = MappingProxyType(
    {**dict.fromkeys(_KINDS, move), "GATHER": _gather}
)
