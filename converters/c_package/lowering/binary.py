"""The ops of the Larq Compute Engine: binary convolutions, packing and unpacking of signs, their maximum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.binary import OutputTransform, int8_output, output_transform
from edgebnn.arithmetic.multiply_shift import prove, steps_of_table
from edgebnn.arithmetic.packing import WORD_BITS, packed_channels, unpack
from edgebnn.converters.c_package import leads
from edgebnn.converters.c_package.program import Step, Struct, Value, geometry
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.binary import (
    BconvGeometry,
    LceBconv2dOptions,
    bconv_geometry,
    bmaxpool_window,
    dequantized_signs,
)
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
from edgebnn.kernels.cores import PORTABLE, Core

from .int8 import constant_data

LANES, WORD_PLANES, TABLE_PLANES, LEAST_PLANES = 32, 30, 60, 11
"""Those of cortex_m/conv_binary_sliced.h."""
_LOOKUP = 255
_NAMES = {DType.INT32: "packed", DType.INT8: "int8", DType.FLOAT32: "float"}


# ---- convolution -----------------------------------------------------------------------------------------------------


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

    def layer(self, weights: NDArray[np.int32], chunk: int = 0, starts: NDArray[np.int32] | None = None) -> Struct:
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


def _zero_padding(conv: Convolution) -> _Padding | None:
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
    found = _zero_padding(conv)
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


def _thresholds(conv: Convolution) -> NDArray[np.int64]:
    """Those that sums can reach: from -1, which all exceed, to K, which none does."""
    return np.clip(_per_channel(conv, 4).astype(np.int64), -1, conv.sizes.products)


def _output(conv: Convolution, starts: NDArray[np.int32] | None) -> Struct:
    products = conv.sizes.products
    fields: dict[str, Value] = dict.fromkeys(
        ("thresholds", "multipliers", "offsets", "shifts", "lookup", "scales", "biases")
    )
    low, high = 0, 2 * products
    if conv.output == DType.INT32:
        fields["thresholds"] = _thresholds(conv).astype(np.int32) if starts is None else starts
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


def _plain(conv: Convolution) -> Struct:
    return conv.layer(constant_data(conv.view, 1).astype(np.int32))


def _chunk(conv: Convolution) -> int:
    """Channels that the sliced kernels count at a time: more take more scratch, fewer gather windows more often."""
    return min(CHUNK, conv.group_outputs)


CHUNK = 64


def _planes(conv: Convolution) -> int:
    return max(LEAST_PLANES, conv.sizes.products.bit_length() + (conv.output == DType.INT32))


def _sliced(conv: Convolution) -> Struct:
    """30 weights a word, tap by tap."""
    flat = conv.filters.reshape(conv.sizes.channels_out, -1)
    words = _window_words(conv)
    bits = np.zeros((flat.shape[0], words * WORD_PLANES), np.uint32)
    bits[:, : flat.shape[1]] = flat
    weights = (bits.reshape(flat.shape[0], words, WORD_PLANES) << np.arange(WORD_PLANES, dtype=np.uint32)).sum(axis=2)
    return conv.layer(weights.astype(np.int32), _chunk(conv))


def _sliced_scratch(conv: Convolution) -> int:
    fixed = TABLE_PLANES // 3 * 64 + 4 * (TABLE_PLANES + LANES) + 4 * LANES
    return fixed + 4 * _planes(conv) * _chunk(conv)


def _in_lanes(bits: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
    """0 and 1 of channels [O, ...] -> [blocks of 32 channels, ...] words, a channel in each bit."""
    blocks = -(-bits.shape[0] // LANES)
    whole = np.zeros((blocks * LANES, *bits.shape[1:]), np.uint32)
    whole[: bits.shape[0]] = bits
    shifts = np.arange(LANES, dtype=np.uint32).reshape(1, LANES, *[1] * (bits.ndim - 1))
    words = (whole.reshape(blocks, LANES, *bits.shape[1:]) << shifts).sum(axis=1, dtype=np.uint32)
    return np.asarray(words.astype(np.int32))


def _window_words(conv: Convolution) -> int:
    return -(-conv.sizes.products // WORD_PLANES)


def _by_channel(conv: Convolution) -> Struct:
    """Planes of weights, and of what counters start from."""
    bits = np.zeros((conv.sizes.channels_out, _window_words(conv) * WORD_PLANES), np.uint32)
    bits[:, : conv.sizes.products] = conv.filters.reshape(conv.sizes.channels_out, -1)
    starts = None
    if conv.output == DType.INT32:
        padding, planes = _zero_padding(conv), _planes(conv)
        halves = 0 if padding is None else padding.sums.reshape(conv.sizes.channels_out, -1) // 2
        values = (1 << (planes - 1)) - 1 - _thresholds(conv)[:, None] + halves  # [O, classes]
        of_planes = (values[:, :, None] >> np.arange(planes)) & 1
        starts = np.ascontiguousarray(_in_lanes(of_planes).transpose(1, 0, 2))
    return conv.layer(_in_lanes(bits), starts=starts)


@dataclass(frozen=True)
class _Costs:
    """Instructions, roughly, by which kernels are chosen: they were counted.

    add:    30 weights of one channel, to 32 pixels.
    gather: 30 planes of 32 pixels.
    flip:   30 weights of 32 channels, to one pixel.
    """

    add: int
    gather: int
    flip: int


_THUMB2, _THUMB1 = _Costs(150, 1100, 262), _Costs(235, 2000, 385)


def _sliced_instructions(core: Core, conv: Convolution) -> int:
    costs = _THUMB2 if core.thumb2 else _THUMB1
    tiles, chunks = -(-conv.pixels // LANES), -(-conv.group_outputs // _chunk(conv)) * conv.sizes.groups
    return tiles * _window_words(conv) * (costs.add * conv.sizes.channels_out + costs.gather * chunks)


def _by_channel_instructions(core: Core, conv: Convolution) -> int:
    costs = _THUMB2 if core.thumb2 else _THUMB1
    return conv.pixels * _window_words(conv) * (costs.flip * -(-conv.sizes.channels_out // LANES) + costs.gather // 16)


def _can_slice(core: Core, conv: Convolution) -> bool:
    return core != PORTABLE and conv.sizes.products < 2**16


def _can_slice_by_channel(core: Core, conv: Convolution) -> bool:
    return _can_slice(core, conv) and (conv.sizes.groups == 1 or conv.group_outputs % LANES == 0)


def _by_channel_is_faster(core: Core, conv: Convolution) -> bool:
    return _by_channel_instructions(core, conv) < _sliced_instructions(core, conv)


@dataclass(frozen=True)
class _Kernel:
    """A variant.

    applies:   whether it computes this layer, on this core.
    preferred: whether it is the best then of those that follow, too.
    suffix:  of its functions' names, behind the kind of output.
    sources: for a kind of output.
    layer:   the layer in its order.
    scratch: bytes that it needs.
    begun:   pixels of the output that may be written in part while their windows are still read.
    """

    applies: Callable[[Core, Convolution], bool]
    preferred: Callable[[Core, Convolution], bool]
    suffix: str
    header: str
    sources: Callable[[str], tuple[str, ...]]
    layer: Callable[[Convolution], Struct]
    scratch: Callable[[Convolution], int]
    begun: Callable[[Convolution], int]


KERNELS = (
    _Kernel(
        _can_slice_by_channel,
        _by_channel_is_faster,
        "_by_channel",
        "cortex_m/conv_binary_by_channel.h",
        lambda output: (
            "cortex_m/conv_binary_channels.c",
            f"cortex_m/conv_binary_channels_{output}.c",
            *(("cortex_m/conv_binary_numbers.c",) if output != "packed" else ()),
        ),
        _by_channel,
        lambda conv: 4 * _window_words(conv),
        lambda conv: 0 if conv.sizes.groups == 1 else 1,
    ),
    _Kernel(
        _can_slice,
        lambda core, conv: True,
        "_sliced",
        "cortex_m/conv_binary_sliced.h",
        lambda output: (
            "cortex_m/conv_binary_sliced.c",
            f"cortex_m/conv_binary_sliced_{output}.c",
            *(("cortex_m/conv_binary_numbers.c",) if output != "packed" else ()),
        ),
        _sliced,
        _sliced_scratch,
        lambda conv: 0 if _chunk(conv) == conv.sizes.channels_out else LANES,
    ),
    _Kernel(
        lambda core, conv: True,
        lambda core, conv: True,
        "",
        "core/conv_binary.h",
        lambda output: ("core/conv_binary.c",),
        _plain,
        lambda conv: 0,
        lambda conv: 1,
    ),
)


def conv(view: OpView, core: Core) -> Step:
    """The step of an LceBconv2d."""
    made = convolution(view)
    kernel = next(k for k in KERNELS if k.applies(core, made) and k.preferred(core, made))
    x, y = input_tensor(view, 0), view.outputs[0]
    in_pixel, out_pixel = x.shape[3] * x.dtype.bytes, y.shape[3] * y.dtype.bytes
    lead = leads.sliding(made.sizes.window, x.shape[0], (x.shape[1], x.shape[2]), in_pixel, out_pixel)
    return Step(
        function=f"eb_conv_binary_{_NAMES[made.output]}{kernel.suffix}",
        header=kernel.header,
        sources=kernel.sources(_NAMES[made.output]),
        layer=kernel.layer(made),
        inputs=(0,),
        scratch_bytes=kernel.scratch(made),
        leads={0: lead + kernel.begun(made) * out_pixel},
    )


# ---- packing and unpacking -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rows:
    """Kernels that go from rows of elements to rows of words, or back, by element type."""

    plain: Mapping[DType, str]
    words: Mapping[DType, str] = field(default_factory=dict)


_PACK = _Rows(
    {DType.INT8: "eb_sign_pack_int8", DType.FLOAT32: "eb_sign_pack_float", DType.BOOL: "eb_sign_pack_bool"},
    {DType.INT8: "eb_sign_pack_int8_words", DType.FLOAT32: "eb_sign_pack_float_words"},
)
_UNPACK = _Rows(
    {DType.INT8: "eb_sign_unpack_int8", DType.FLOAT32: "eb_sign_unpack_float", DType.BOOL: "eb_sign_unpack_bool"},
    {DType.INT8: "eb_sign_unpack_int8_words", DType.FLOAT32: "eb_sign_unpack_float_words"},
)


def _rows_step(kernels: _Rows, dtype: DType, core: Core, layer: Mapping[str, int], lead: int) -> Step:
    by_words = core != PORTABLE and dtype in kernels.words
    room, name = ("cortex_m", "sign_bits_words") if by_words else ("core", "sign_bits")
    return Step(
        function=(kernels.words if by_words else kernels.plain)[dtype],
        header=f"{room}/{name}.h",
        sources=(f"{room}/{name}.c",),
        layer=Struct("eb_sign_rows_layer", {"zero_point": 0, "plus": 0, "minus": 0, **layer}),
        inputs=(0,),
        leads={0: lead},
    )


def _ends(rows: int, channels: int, element: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each word of a row-wise packed tensor where its elements end, and where it ends, in bytes."""
    words = packed_channels(channels)
    of_row = np.minimum((np.arange(words) + 1) * WORD_BITS, channels)
    elements = (np.arange(rows)[:, None] * channels + of_row).reshape(-1) * element
    return elements.astype(np.int64), 4 * (np.arange(rows * words) + 1)


def quantize(view: OpView, core: Core) -> Step:
    """The step of an LceQuantize."""
    x = input_tensor(view, 0)
    rows, channels = int(np.prod(x.shape[:-1])), x.shape[-1]
    elements, words = _ends(rows, channels, x.dtype.bytes)
    zero_point = scale_and_zero_point(view, x)[1] if x.dtype == DType.INT8 else 0
    layer = {"rows": rows, "channels": channels, "zero_point": zero_point}
    return _rows_step(_PACK, x.dtype, core, layer, max(0, int((words - elements).max(initial=0))))


def dequantize(view: OpView, core: Core) -> Step:
    """The step of an LceDequantize."""
    y = view.outputs[0]
    rows, channels = int(np.prod(y.shape[:-1])), y.shape[-1]
    elements, words = _ends(rows, channels, y.dtype.bytes)
    layer = {"rows": rows, "channels": channels}
    if y.dtype == DType.INT8:
        layer["plus"], layer["minus"] = dequantized_signs(view)
    return _rows_step(_UNPACK, y.dtype, core, layer, max(0, int((elements - words).max(initial=0))))


# ---- pooling ---------------------------------------------------------------------------------------------------------


def max_pool(view: OpView, core: Core) -> Step:
    """The step of an LceBMaxPool2d."""
    x, window = input_tensor(view, 0), bmaxpool_window(view)
    batches, height, width, words = x.shape
    return Step(
        function="eb_max_pool_binary",
        header="core/sign_bits.h",
        sources=("core/sign_bits.c",),
        layer=Struct(
            "eb_max_pool_binary_layer", {"geometry": geometry(window, batches, (height, width)), "words": words}
        ),
        inputs=(0,),
        leads={0: leads.sliding(window, batches, (height, width), 4 * words, 4 * words) + 4 * words},
    )


OPS: Mapping[str, Callable[[OpView, Core], Step]] = MappingProxyType(
    {"LceBconv2d": conv, "LceQuantize": quantize, "LceDequantize": dequantize, "LceBMaxPool2d": max_pool}
)
