"""How each op becomes a call of a kernel: one table, kind -> function.

A function takes the op and the core, and returns a Step or an Alias. A family of ops is a module, which holds the table
of its kernels: a new variant is one C file and one line there. Where families share a kind, each names the element type
of the first output that it is for: (kind, type) -> function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from edgebnn.converters.c_package.prepare import OF_SHAPES
from edgebnn.converters.c_package.program import Lowered, Step, Struct
from edgebnn.errors import InputError, UnsupportedOpError
from edgebnn.graph.opdef import OpView
from edgebnn.graph.types import DType
from edgebnn.kernels.cores import Core
from edgebnn.kernels.schedules import LayerSchedule

from . import (
    arithmetic,
    binary,
    cast,
    compare,
    conv_int8,
    conv_w1a8,
    dense_int8,
    dense_w1a8,
    depthwise_int8,
    elementwise_int8,
    host,
    l2_normalization_int8,
    lookup,
    matmul_float,
    move,
    pool_int8,
    quantize,
    reduce,
    softmax_int8,
    unary_float,
    view,
    windows_float,
)
from .choices import Choices

MOST_AXES = 8
"""EB_MOST_AXES of core/broadcast.h."""

Lowering = Callable[[OpView, Core], Lowered | Choices]
Key = str | tuple[str, DType]
Family = Mapping[str, Lowering] | Mapping[tuple[str, DType], Lowering] | Mapping[Key, Lowering]


def _table(*families: Family) -> Mapping[Key, Lowering]:
    return MappingProxyType({key: lowering for family in families for key, lowering in family.items()})


_CORES: tuple[Family, ...] = (
    arithmetic.OPS,
    binary.OPS,
    cast.OPS,
    compare.OPS,
    conv_int8.OPS,
    conv_w1a8.OPS,
    dense_int8.OPS,
    dense_w1a8.OPS,
    depthwise_int8.OPS,
    elementwise_int8.OPS,
    l2_normalization_int8.OPS,
    lookup.OPS,
    matmul_float.OPS,
    move.OPS,
    pool_int8.OPS,
    quantize.OPS,
    reduce.OPS,
    softmax_int8.OPS,
    unary_float.OPS,
    view.OPS,
    windows_float.OPS,
)
LOWERINGS = _table(*_CORES)
HOST_LOWERINGS = _table(*_CORES, host.OPS)


def has_kernel(kind: str, output: DType) -> bool:
    """Whether packages for microcontrollers can have an op with this element type of the first output.

    It may refuse an option or an argument that is computed; it says so when it is asked (:func:`lower`).
    """
    return kind in LOWERINGS or (kind, output) in LOWERINGS or kind in OF_SHAPES


def choices(op: OpView, core: Core) -> Choices | None:
    """The kernels of one op that schedules choose among; None if there is but one. Raises as :func:`lower`."""
    found = _lowered(op, core)
    return found if isinstance(found, Choices) else None


def lower(op: OpView, core: Core, schedule: LayerSchedule | None = None) -> Lowered:
    """The step of one op.

    Args:
        op: the op.
        core: whose kernels it gets.
        schedule: the kernel and its tiles; by default the planner's pick. For ops of which :func:`choices` are known.

    Raises:
        UnsupportedOpError: there is no kernel for it, or not for these element types or options.
        InputError: the schedule asks for what no kernel does.
    """
    found = _lowered(op, core)
    if schedule is not None and not isinstance(found, Choices):
        at = f"schedule: op {schedule.op} ({schedule.name})"
        raise InputError(f"{at}: no kernel there takes a schedule; take the layer out of the file")
    lowered = found.step(schedule) if isinstance(found, Choices) else found
    if isinstance(lowered, Step):
        _check_axes(op, lowered.layer)
    return lowered


def _lowered(op: OpView, core: Core) -> Lowered | Choices:
    kind, table = op.op.kind, HOST_LOWERINGS if core.host else LOWERINGS
    found = table.get((kind, op.outputs[0].dtype)) or table.get(kind)
    if found is not None:
        return found(op, core)
    types = [key[1].value for key in table if not isinstance(key, str) and key[0] == kind]
    if types:
        raise UnsupportedOpError(
            f"layer {op.name!r}: there is no C kernel of {kind} with {op.outputs[0].dtype.value} output; "
            f"supported: {', '.join(types)}"
        )
    kinds = sorted({key if isinstance(key, str) else key[0] for key in table})
    raise UnsupportedOpError(f"layer {op.name!r}: there is no C kernel of {kind}; there are: {', '.join(kinds)}")


def _check_axes(op: OpView, layer: Struct) -> None:
    """Kernels count along no more than :data:`MOST_AXES` axes."""
    for field in layer.fields.values():
        axes = field.fields["axes"] if isinstance(field, Struct) and field.type == "eb_broadcast" else 0
        if isinstance(axes, int) and axes > MOST_AXES:
            raise UnsupportedOpError(
                f"layer {op.name!r}: {op.op.kind} over {axes} unlike axes has no C kernel; supported: {MOST_AXES}; "
                f"repeat one operand by BROADCAST_TO first"
            )
