"""A binary convolution as its kernels need it: where its windows lie, what the padding takes back, and its outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.binary import OutputTransform, int8_output, output_transform
from edgebnn.arithmetic.multiply_shift import prove, steps_of_table
from edgebnn.arithmetic.packing import unpack
from edgebnn.converters.c_package.program import Struct, Value, geometry
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.binary import BconvGeometry, LceBconv2dOptions, bconv_geometry
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.ops.fused import real_bounds
from edgebnn.graph.ops.view import (
    bad_input,
    input_tensor,
    optional_input,
    options,
    scale_and_zero_point,
    unsupported,
)
from edgebnn.graph.ops.windows import Window
from edgebnn.graph.types import DType

from .int8 import constant_data

_LOOKUP = 255


@dataclass(frozen=True)
class Convolution:
    """A layer as its kernels need it.

    filters: [O, KH, KW, channels of a group] True for -1.
    """

    view: OpView
    sizes: BconvGeometry
    filters: NDArray[np.bool_]

    @property
    def output(self) -> DType:
        return self.view.outputs[0].dtype

    @property
    def pixels(self) -> int:
        """Of the output, all images together."""
        return int(np.prod(self.view.outputs[0].shape[:3]))

    @property
    def group_outputs(self) -> int:
        return self.sizes.channels_out // self.sizes.groups

    def layer(
        self, weights: NDArray[np.int32], chunk: int = 0, columns: int = 0, starts: NDArray[np.int32] | None = None
    ) -> Struct:
        """``starts``: in place of thresholds and of the weights in the padding, which are in it."""
        shape = input_tensor(self.view, 0).shape
        return Struct(
            "eb_conv_binary_layer",
            {
                "geometry": geometry(self.sizes.window, shape[0], shape[1:3]),
                "channels_in": self.sizes.groups * self.sizes.group_channels,
                "channels_out": self.sizes.channels_out,
                "groups": self.sizes.groups,
                "chunk": chunk,
                "columns": columns,
                "weights": weights,
                "padding": _padding(self, with_sums=starts is None),
                "output": _output(self, starts),
            },
        )


def convolution(view: OpView) -> Convolution:
    """Raises UnsupportedOpError if weights or constants are computed, or padding with zeros is not to be had."""
    sizes = bconv_geometry(view)
    filters = unpack(constant_data(view, 1).astype(np.int32), sizes.group_channels)
    conv = Convolution(view, sizes, filters)
    if pads_with_zeros(conv) and conv.output == DType.INT32 and sizes.group_channels % 2:
        raise unsupported(view, "zero padding, packed output and an odd number of channels", "even channels")
    return conv


def pads_with_zeros(conv: Convolution) -> bool:
    opts = options(conv.view, LceBconv2dOptions)
    return opts.padding == Padding.SAME and opts.pad_values == 0


def _classes(window: Window, size: tuple[int, int], axis: int) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """Of each output row or column the class; of each class which taps lie inside the image."""
    starts = np.arange(window.output[axis]) * window.stride[axis] - window.before[axis]
    at = starts[:, None] + np.arange(window.filter[axis]) * window.dilation[axis]
    inside, classes = np.unique((at >= 0) & (at < size[axis]), axis=0, return_inverse=True)
    return classes.reshape(-1).astype(np.int16), inside


@dataclass(frozen=True)
class _Padding:
    """Where taps in the padding are to count nothing: the weights there, by class of output row and column.

    sums: [O, row classes, column classes].
    """

    row_classes: NDArray[np.int16]
    column_classes: NDArray[np.int16]
    sums: NDArray[np.int64]


def zero_padding(conv: Convolution) -> _Padding | None:
    if not pads_with_zeros(conv):
        return None
    height, width = input_tensor(conv.view, 0).shape[1:3]
    row_classes, rows = _classes(conv.sizes.window, (height, width), 0)
    column_classes, columns = _classes(conv.sizes.window, (height, width), 1)
    taps = conv.sizes.group_channels - 2 * conv.filters.sum(axis=3, dtype=np.int64)  # [O, KH, KW]
    outside = ~(rows[:, None, :, None] & columns[None, :, None, :])
    sums = np.einsum("oyx,rcyx->orc", taps, outside.astype(np.int64))
    if np.abs(sums).max() > np.iinfo(np.int16).max:
        raise unsupported(conv.view, f"zero padding of {conv.sizes.products} products", "32767 at most")
    return _Padding(row_classes, column_classes, sums) if sums.any() else None


def _padding(conv: Convolution, with_sums: bool) -> Struct:
    found = zero_padding(conv)
    activation = options(conv.view, LceBconv2dOptions).fused_activation_function
    fields: dict[str, Value] = {"row_classes": None, "column_classes": None, "sums": None, "rows": 0, "columns": 0}
    if found is not None:
        fields = {
            "row_classes": found.row_classes,
            "column_classes": found.column_classes,
            "sums": found.sums.astype(np.int16) if with_sums else None,
            "rows": found.sums.shape[1],
            "columns": found.sums.shape[2],
        }
    after = found is not None and conv.output == DType.FLOAT32 and activation == Activation.NONE
    return Struct("eb_binary_padding", fields | {"after": int(after)})


def _per_channel(conv: Convolution, index: int) -> NDArray[np.float32] | NDArray[np.int32]:
    """Multiplier, bias or threshold."""
    if optional_input(conv.view, index) is None or constant_data(conv.view, index).shape != (conv.sizes.channels_out,):
        what = ("multiplier", "bias", "threshold")[index - 2]
        raise bad_input(conv.view, f"needs a {what} for each of its {conv.sizes.channels_out} output channels")
    return constant_data(conv.view, index)


def _transform(conv: Convolution) -> OutputTransform:
    bounds = real_bounds(conv.view, options(conv.view, LceBconv2dOptions).fused_activation_function)
    multiplier, bias = (_per_channel(conv, i).astype(np.float32) for i in (2, 3))
    if conv.output == DType.FLOAT32:
        return output_transform(multiplier, bias, conv.sizes.products, bounds)
    scale, zero_point = scale_and_zero_point(conv.view, conv.view.outputs[0])
    return output_transform(multiplier, bias, conv.sizes.products, bounds, float(scale), zero_point)


def thresholds(conv: Convolution) -> NDArray[np.int64]:
    """Those that sums can reach: from -1, which all exceed, to K, which none does."""
    return np.clip(_per_channel(conv, 4).astype(np.int64), -1, conv.sizes.products)


def _output(conv: Convolution, starts: NDArray[np.int32] | None) -> Struct:
    products = conv.sizes.products
    fields: dict[str, Value] = dict.fromkeys(
        ("thresholds", "multipliers", "offsets", "shifts", "lookup", "scales", "biases")
    )
    low, high = 0, 2 * products
    if conv.output == DType.INT32:
        fields["thresholds"] = thresholds(conv).astype(np.int32) if starts is None else starts
    else:
        transform = _transform(conv)
        low, high = transform.low, transform.high
        if conv.output == DType.FLOAT32:
            fields |= {"scales": transform.multiplier, "biases": transform.bias}
        else:
            fields |= _int8_constants(conv, transform)
    return Struct("eb_binary_output", fields | {"low": low, "high": high})


def _int8_constants(conv: Convolution, transform: OutputTransform) -> dict[str, Value]:
    """Multiplier, offset and shift of each channel, proven for every sum there is; else a table."""
    low, high = transform.low, transform.high
    halves = pads_with_zeros(conv) and conv.sizes.group_channels % 2 == 1  # padding takes away half a product
    spacing = 2 if low % 2 == high % 2 == 0 and not halves else 1
    every = np.arange(high + 1, dtype=np.int64)
    outputs = int8_output(np.clip(every, low, high)[:, None], transform)
    multipliers, offsets, shifts = [], [], []
    tables: list[NDArray[np.int8]] = []
    for channel in range(conv.sizes.channels_out):
        y = outputs[:, channel]
        found = prove(steps_of_table(y[low::spacing], low, spacing))
        if found is None:
            multipliers.append(0)
            offsets.append(len(tables) * len(every))
            shifts.append(_LOOKUP)
            tables.append(y)
        else:
            multipliers.append(found.multiplier)
            offsets.append(found.offset)
            shifts.append(found.shift)
    return {
        "multipliers": np.array(multipliers, np.int32),
        "offsets": np.array(offsets, np.int32),
        "shifts": np.array(shifts, np.uint8),
        "lookup": np.concatenate(tables) if tables else None,
    }
