"""Binary, W1A8 and int8 layers where an operating system is: the runtime's kernels, chosen by the processor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from edgebnn.converters.c_package.program import Step, Struct, Value, Zeroed
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.binary import LceBconv2dOptions
from edgebnn.graph.ops.conv import Conv2DOptions, symmetric_factors
from edgebnn.graph.ops.enums import Padding
from edgebnn.graph.ops.fused import integer_bounds
from edgebnn.graph.ops.view import constant, input_tensor, options, scale_and_zero_point
from edgebnn.graph.ops.w1a8 import EdgebnnConv2dW1A8Options, EdgebnnDenseW1A8Options
from edgebnn.graph.types import Array, DType
from edgebnn.kernels import FOLDER
from edgebnn.kernels.cores import Core

from . import conv_int8
from .choices import Choices
from .conv_int8 import Convolution, convolution, wrapped
from .int8 import sum_range

_ROOMS = {"x86_64": "x86", "aarch64": "neon"}
_OUTPUT_TYPES = {DType.FLOAT32: 0, DType.INT8: 1, DType.INT32: 3}  # enum eb_type
_ROUND_TWICE, _ROUND_ONCE = 0, 1  # enum eb_rounding
_MOST_TAPS = 1 << 15
_MOST_SUM = 2**31 - 512  # times 2 to the shift, with room for what rounding adds


def _sources(core: Core, operation: str) -> tuple[str, ...]:
    """The operation's kernels of one processor, what chooses among them, and what all operations share."""
    own = (f"{room}/{operation}_*.c" for room in ("host", _ROOMS[core.host]))
    patterns = ("core/kernels.c", "host/cpu.c", f"core/{operation}_*portable*.c", f"host/package_{operation}.c", *own)
    found = (path for pattern in patterns for path in FOLDER.glob(pattern))
    return tuple(sorted(str(path.relative_to(FOLDER)) for path in found))


def _constant(op: OpView, index: int) -> Array | None:
    tensor = op.inputs[index] if index < len(op.inputs) else None
    return None if tensor is None else tensor.data


def _window(
    op: OpView, filter_size: tuple[int, ...], stride: tuple[int, int], dilation: tuple[int, int], padding: Padding
) -> Struct:
    batches, height, width, _ = input_tensor(op, 0).shape
    return Struct(
        "eb_window",
        {
            "batches": batches,
            "input_height": height,
            "input_width": width,
            "filter_height": filter_size[0],
            "filter_width": filter_size[1],
            "stride_height": stride[0],
            "stride_width": stride[1],
            "dilation_height": dilation[0],
            "dilation_width": dilation[1],
            "padding": int(padding),
        },
    )


def _bconv2d(op: OpView, core: Core) -> Step:
    opts = options(op, LceBconv2dOptions)
    outputs, height, width, words = input_tensor(op, 1).shape
    fields: dict[str, Value] = {
        "window": _window(
            op,
            (height, width),
            (opts.stride_height, opts.stride_width),
            (opts.dilation_height_factor, opts.dilation_width_factor),
            opts.padding,
        ),
        "channels_in": opts.channels_in,
        "channels_out": outputs,
        "groups": input_tensor(op, 0).shape[3] // words,
        "pad_value": opts.pad_values,
        "activation": int(opts.fused_activation_function),
        "output_type": _OUTPUT_TYPES[op.outputs[0].dtype],
    }
    if op.outputs[0].dtype == DType.INT8:
        scale, zero_point = scale_and_zero_point(op, op.outputs[0])
        fields |= {"output_scale": float(scale), "output_zero_point": zero_point}
    layer: dict[str, Value] = {"op": Struct("eb_bconv2d", fields)}
    for position, name in enumerate(("filter", "multiplier", "bias", "threshold"), start=1):
        layer[name] = _constant(op, position)
    return _step(op, core, "bconv2d", layer)


def _w1a8(op: OpView, core: Core, window: Struct, groups: int, depthwise: int, rounding: int) -> Step:
    opts = op.op.options
    assert isinstance(opts, EdgebnnConv2dW1A8Options | EdgebnnDenseW1A8Options)
    input_scale, input_zero_point = scale_and_zero_point(op, input_tensor(op, 0))
    output_scale, output_zero_point = scale_and_zero_point(op, op.outputs[0])
    low, high = integer_bounds(op, opts.fused_activation_function)
    scales = _constant(op, 2)
    assert scales is not None
    fields: dict[str, Value] = {
        "window": window,
        "channels_in": opts.channels_in,
        "channels_out": scales.shape[0],
        "groups": groups,
        "depthwise": depthwise,
        "input_zero_point": input_zero_point,
        "output_zero_point": output_zero_point,
        "output_min": low,
        "output_max": high,
        "rounding": rounding,
    }
    factors = [float(input_scale) * float(scale) / float(output_scale) for scale in scales]
    layer: dict[str, Value] = {
        "op": Struct("eb_w1a8", fields),
        "filter": _constant(op, 1),
        "magnitude": constant(op, 3).astype(np.int32),
        "bias": _constant(op, 4),
        "factor": np.array(factors, np.float64),
    }
    return _step(op, core, "w1a8", layer)


def _w1a8_conv2d(op: OpView, core: Core) -> Step:
    opts = options(op, EdgebnnConv2dW1A8Options)
    window = _window(
        op,
        input_tensor(op, 1).shape[1:3],
        (opts.stride_height, opts.stride_width),
        (opts.dilation_height_factor, opts.dilation_width_factor),
        opts.padding,
    )
    return _w1a8(op, core, window, opts.groups, opts.depthwise, _ROUND_TWICE)


def _w1a8_dense(op: OpView, core: Core) -> Step:
    """A convolution of a 1x1 filter over an image of one pixel for each row."""
    rows = input_tensor(op, 0).elements // options(op, EdgebnnDenseW1A8Options).channels_in
    ones = dict.fromkeys(
        ("input_height", "input_width", "filter_height", "filter_width", "stride_height", "stride_width"), 1
    )
    fields = {"batches": rows, **ones, "dilation_height": 1, "dilation_width": 1, "padding": int(Padding.VALID)}
    return _w1a8(op, core, Struct("eb_window", fields), 1, 0, _ROUND_ONCE)


def _conv2d(op: OpView, core: Core) -> Step | Choices:
    """By the plain kernel where the runtime's take no such layer."""
    opts, conv = options(op, Conv2DOptions), convolution(op)
    if not _is_taken(conv):
        return conv_int8.conv(op, core)
    x, weights = input_tensor(op, 0), input_tensor(op, 1)
    scales = conv.rescaling
    fields: dict[str, Value] = {
        "window": _window(
            op,
            weights.shape[1:3],
            (opts.stride_h, opts.stride_w),
            (opts.dilation_h_factor, opts.dilation_w_factor),
            opts.padding,
        ),
        "channels_in": x.shape[3],
        "channels_out": weights.shape[0],
        **dict.fromkeys(("type", "input_type", "output_type"), _OUTPUT_TYPES[DType.INT8]),
        "input_zero_point": conv.zero_point,
        "output_zero_point": scales.zero_point,
        "output_min": scales.low,
        "output_max": scales.high,
    }
    factors = np.array(symmetric_factors(op, x, weights), np.float64)
    layer: dict[str, Value] = {
        "op": Struct("eb_conv2d_few", fields),
        "filter": conv.weights.reshape(weights.shape),
        "bias": wrapped(conv.bias),
        "factor": np.ascontiguousarray(np.broadcast_to(factors, (weights.shape[0],))),
    }
    return _step(op, core, "conv2d_few", layer)


def _is_taken(conv: Convolution) -> bool:
    """What eb_conv2d_few_plan_make and eb_conv2d_few_fits ask."""
    if conv.weights.shape[0] != 1 or conv.taps > _MOST_TAPS or (conv.weights == -128).any():
        return False
    least, greatest = sum_range(conv.weights[0], conv.bias, conv.zero_point)
    scaling = 1 << np.maximum(conv.rescaling.shift, 0)
    return bool((least * scaling > -_MOST_SUM).all() and (greatest * scaling < _MOST_SUM).all())


def _step(op: OpView, core: Core, operation: str, layer: dict[str, Value]) -> Step:
    return Step(
        function=f"eb_package_{operation}",
        header="host/package.h",
        sources=_sources(core, operation),
        layer=Struct(f"eb_package_{operation}_layer", {**layer, "state": Zeroed(f"eb_package_{operation}_state")}),
        inputs=(0,),
        prepare=f"eb_package_{operation}_prepare",
    )


OPS: Mapping[str | tuple[str, DType], Callable[[OpView, Core], Step | Choices]] = MappingProxyType(
    {
        "LceBconv2d": _bconv2d,
        "EdgebnnConv2dW1A8": _w1a8_conv2d,
        "EdgebnnDenseW1A8": _w1a8_dense,
        ("CONV_2D", DType.INT8): _conv2d,
    }
)
