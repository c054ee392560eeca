"""Convolutions, pooling and bilinear resizing of float32 images; the latter of int8 images too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from edgebnn.converters.c_package import leads
from edgebnn.converters.c_package.program import Step, Struct, Value, geometry
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.conv import (
    Conv2DOptions,
    DepthwiseConv2DOptions,
    TransposeConvOptions,
    check_operands,
    conv_window,
    transpose_window,
)
from edgebnn.graph.ops.enums import Activation
from edgebnn.graph.ops.pool import Pool2DOptions, pool_window
from edgebnn.graph.ops.resize import ResizeBilinearOptions, between, between_fixed
from edgebnn.graph.ops.view import input_tensor, optional_input, options, unsupported
from edgebnn.graph.ops.windows import Window
from edgebnn.graph.types import Array, DType
from edgebnn.kernels.cores import Core

from .clamping import open_range


def constant_bias(op: OpView, index: int) -> Array | None:
    """The bias, if there is one.

    Raises:
        UnsupportedOpError: it is computed.
    """
    tensor = optional_input(op, index)
    if tensor is not None and tensor.data is None:
        raise unsupported(op, f"computed bias {tensor.name!r}", "a constant bias; add a computed one by ADD")
    return None if tensor is None else tensor.data


def _layer(op: OpView, bias: int, window: Window, image: tuple[int, ...], activation: Activation) -> dict[str, Value]:
    low, high = open_range(op, activation)
    return {
        "geometry": geometry(window, image[0], image[1:3]),
        "bias": constant_bias(op, bias),
        "low": low,
        "high": high,
    }


def _sliding(window: Window, image: tuple[int, ...], channels: int) -> int:
    """The lead of a kernel that writes a pixel channel by channel while its window is still read."""
    return leads.sliding(window, image[0], (image[1], image[2]), 4 * image[3], 4 * channels) + 4 * channels


def _conv(op: OpView, core: Core) -> Step:
    depthwise = op.op.kind == "DEPTHWISE_CONV_2D"
    opts = options(op, DepthwiseConv2DOptions) if depthwise else options(op, Conv2DOptions)
    x, weights = input_tensor(op, 0), input_tensor(op, 1)
    check_operands(op, weights, optional_input(op, 2))
    window, outputs = conv_window(op, depthwise), op.outputs[0].shape[3]
    fields = _layer(op, 2, window, x.shape, opts.fused_activation_function)
    fields |= {
        "channels_in": x.shape[3],
        "channels_out": outputs,
        "groups": 1 if depthwise else x.shape[3] // weights.shape[3],
    }
    name = "depthwise_float" if depthwise else "conv_float"
    return Step(
        function=f"eb_{name}",
        header="core/conv_float.h",
        sources=(f"core/{name}.c",),
        layer=Struct("eb_conv_float_layer", fields),
        inputs=(0, 1),
        leads={0: _sliding(window, x.shape, outputs)},
    )


def _transpose_conv(op: OpView, core: Core) -> Step:
    opts = options(op, TransposeConvOptions)
    weights, x, y = input_tensor(op, 1), input_tensor(op, 2), op.outputs[0]
    check_operands(op, weights, optional_input(op, 3))
    fields = _layer(op, 3, transpose_window(op), y.shape, opts.fused_activation_function)
    fields |= {"channels_in": x.shape[3], "channels_out": y.shape[3], "groups": 1}
    return Step(
        function="eb_transpose_conv_float",
        header="core/conv_float.h",
        sources=("core/transpose_conv_float.c",),
        layer=Struct("eb_conv_float_layer", fields),
        inputs=(1, 2),
    )


def _pool(op: OpView, core: Core) -> Step:
    x, window = input_tensor(op, 0), pool_window(op)
    low, high = open_range(op, options(op, Pool2DOptions).fused_activation_function)
    fields: dict[str, Value] = {
        "geometry": geometry(window, x.shape[0], x.shape[1:3]),
        "channels": x.shape[3],
        "low": low,
        "high": high,
    }
    return Step(
        function="eb_average_pool_float" if op.op.kind == "AVERAGE_POOL_2D" else "eb_max_pool_float",
        header="core/pool_float.h",
        sources=("core/pool_float.c",),
        layer=Struct("eb_pool_float_layer", fields),
        inputs=(0,),
        leads={0: _sliding(window, x.shape, x.shape[3])},
    )


def _resize_bilinear(op: OpView, core: Core) -> Step:
    opts, x, y = options(op, ResizeBilinearOptions), input_tensor(op, 0), op.outputs[0]
    is_float = x.dtype == DType.FLOAT32
    fields: dict[str, Value] = {"batches": x.shape[0], "channels": x.shape[3]}
    for axis, size, name in ((1, "height", "row"), (2, "width", "column")):
        lower, upper, fraction = (between if is_float else between_fixed)(opts, x.shape[axis], y.shape[axis])
        fields |= {
            f"input_{size}": x.shape[axis],
            f"output_{size}": y.shape[axis],
            f"{name}s": np.stack([lower, upper], axis=1).astype(np.int32),
            f"{name}_fractions": fraction.astype(np.float32) if is_float else None,
            f"{name}_shares": None if is_float else fraction.astype(np.int32),
        }
    name = "float" if is_float else "int8"
    return Step(
        function=f"eb_resize_bilinear_{name}",
        header="core/resize_bilinear.h",
        sources=(f"core/resize_bilinear_{name}.c",),
        layer=Struct("eb_resize_bilinear_layer", fields),
        inputs=(0,),
    )


OPS: Mapping[tuple[str, DType], Callable[[OpView, Core], Step]] = MappingProxyType(
    {
        ("CONV_2D", DType.FLOAT32): _conv,
        ("DEPTHWISE_CONV_2D", DType.FLOAT32): _conv,
        ("TRANSPOSE_CONV", DType.FLOAT32): _transpose_conv,
        ("AVERAGE_POOL_2D", DType.FLOAT32): _pool,
        ("MAX_POOL_2D", DType.FLOAT32): _pool,
        ("RESIZE_BILINEAR", DType.FLOAT32): _resize_bilinear,
        ("RESIZE_BILINEAR", DType.INT8): _resize_bilinear,
    }
)
