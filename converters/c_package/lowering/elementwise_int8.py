"""ADD, SUB and MUL of int8 tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from edgebnn.arithmetic.fixed_point import quantize_multiplier
from edgebnn.arithmetic.linear_sum import LinearSum, prove_sum
from edgebnn.converters.c_package.program import Step, Struct, Value
from edgebnn.graph.execute import run_op
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.elementwise import ADD_HEADROOM, AddOptions, MulOptions, SubOptions
from edgebnn.graph.ops.enums import Activation
from edgebnn.graph.ops.fused import integer_bounds
from edgebnn.graph.ops.view import input_tensor, scale_and_zero_point
from edgebnn.graph.types import DType
from edgebnn.kernels.cores import Core

from .broadcasting import Axis, axes_of, broadcast, in_place


def _activation(op: OpView) -> Activation:
    opts = op.op.options
    assert isinstance(opts, (AddOptions, SubOptions, MulOptions))
    return opts.fused_activation_function


def _axes(op: OpView) -> list[Axis]:
    return axes_of(input_tensor(op, 0).shape, input_tensor(op, 1).shape, op.outputs[0].shape)


@dataclass(frozen=True)
class _Sum:
    """A sum as its kernels need it; ``linear``: by two multiplications, where that is proven."""

    op: OpView
    axes: Sequence[Axis]
    low: int
    high: int
    linear: LinearSum | None


def _linear(op: OpView, low: int, high: int) -> LinearSum | None:
    a, b, y = input_tensor(op, 0), input_tensor(op, 1), op.outputs[0]
    every = np.arange(-128, 128).astype(np.int8)
    operands = (replace(a, shape=(256, 1), data=None), replace(b, shape=(1, 256), data=None))
    all_pairs = replace(op, inputs=operands, outputs=(replace(y, shape=(256, 256)),))
    (values,) = run_op(all_pairs, (every[:, None], every[None]))
    output_scale = float(scale_and_zero_point(op, y)[0])
    scales = [float(scale_and_zero_point(op, tensor)[0]) / output_scale for tensor in (a, b)]
    sign = -1 if op.op.kind == "SUB" else 1
    return prove_sum(values, (scales[0], sign * scales[1]), low, high)


def _exact_layer(made: _Sum) -> Struct:
    op = made.op
    quantizations = [scale_and_zero_point(op, input_tensor(op, i)) for i in (0, 1)]
    twice = 2 * max(float(scale) for scale, _ in quantizations)
    fields: dict[str, Value] = {"shape": broadcast(made.axes)}
    for name, (scale, zero_point) in zip(("first", "second"), quantizations, strict=True):
        multiplier = quantize_multiplier(float(scale) / twice)
        fields[f"{name}_zero_point"] = zero_point
        fields[f"{name}_multiplier"], fields[f"{name}_shift"] = multiplier
    output_scale, zero_point = scale_and_zero_point(op, op.outputs[0])
    fields["sign"] = -1 if op.op.kind == "SUB" else 1
    fields["multiplier"], fields["shift"] = quantize_multiplier(twice / (2**ADD_HEADROOM * float(output_scale)))
    fields |= {"zero_point": zero_point, "low": made.low, "high": made.high}
    return Struct("eb_add_int8_layer", fields)


def _linear_layer(made: _Sum) -> Struct:
    assert made.linear is not None
    return Struct(
        "eb_add_int8_linear_layer",
        {
            "shape": broadcast(made.axes),
            "first_factor": made.linear.factors[0],
            "second_factor": made.linear.factors[1],
            "addend": made.linear.addend,
            "shift": made.linear.shift,
            "low": made.low,
            "high": made.high,
        },
    )


def _side_by_side(made: _Sum) -> bool:
    """Both operands move along the innermost axis, and nothing but the range of int8 clamps."""
    return made.axes[-1][1:] == (1, 1) and (made.low, made.high) == (-128, 127)


@dataclass(frozen=True)
class _Kernel:
    """A variant: whether it is for this core and layer, its C, and the layer in its form."""

    applies: Callable[[Core, _Sum], bool]
    function: str
    source: str
    layer: Callable[[_Sum], Struct]


_KERNELS = (
    _Kernel(
        lambda core, made: core.dsp and made.linear is not None and _side_by_side(made),
        "eb_add_int8_linear_dsp",
        "cortex_m/add_int8_linear_dsp.c",
        _linear_layer,
    ),
    _Kernel(lambda core, made: made.linear is not None, "eb_add_int8_linear", "core/add_int8_linear.c", _linear_layer),
    _Kernel(lambda core, made: True, "eb_add_int8", "core/add_int8.c", _exact_layer),
)


def add(op: OpView, core: Core) -> Step:
    """The step of an ADD or a SUB."""
    low, high = integer_bounds(op, _activation(op))
    made = _Sum(op, _axes(op), low, high, _linear(op, low, high))
    kernel = next(kernel for kernel in _KERNELS if kernel.applies(core, made))
    return Step(
        function=kernel.function,
        header="core/add_int8.h",
        sources=(kernel.source,),
        layer=kernel.layer(made),
        inputs=(0, 1),
        leads=in_place(op),
    )


def mul(op: OpView, core: Core) -> Step:
    """The step of a MUL."""
    (scale_a, zero_a), (scale_b, zero_b) = (scale_and_zero_point(op, input_tensor(op, i)) for i in (0, 1))
    output_scale, zero_point = scale_and_zero_point(op, op.outputs[0])
    multiplier = quantize_multiplier(float(scale_a * scale_b / output_scale))
    low, high = integer_bounds(op, _activation(op))
    return Step(
        function="eb_mul_int8",
        header="core/mul_int8.h",
        sources=("core/mul_int8.c",),
        layer=Struct(
            "eb_mul_int8_layer",
            {
                "shape": broadcast(_axes(op)),
                "first_zero_point": zero_a,
                "second_zero_point": zero_b,
                "multiplier": multiplier.value,
                "shift": multiplier.shift,
                "zero_point": zero_point,
                "low": low,
                "high": high,
            },
        ),
        inputs=(0, 1),
        leads=in_place(op),
    )


OPS: Mapping[tuple[str, DType], Callable[[OpView, Core], Step]] = MappingProxyType(
    {("ADD", DType.INT8): add, ("SUB", DType.INT8): add, ("MUL", DType.INT8): mul}
)
