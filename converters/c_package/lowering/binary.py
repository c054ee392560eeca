"""The ops of the Larq Compute Engine: binary convolutions, packing and unpacking of signs, their maximum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.packing import WORD_BITS, packed_channels
from edgebnn.converters.c_package import leads
from edgebnn.converters.c_package.program import Step, Struct, geometry
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.binary import bmaxpool_window, dequantized_signs
from edgebnn.graph.ops.view import input_tensor, scale_and_zero_point
from edgebnn.graph.types import DType
from edgebnn.kernels.cores import PORTABLE, Core

from .binary_conv import convolution
from .binary_kernels import KERNELS
from .choices import Choices


def conv(view: OpView, core: Core) -> Choices:
    """The kernels that there are for an LceBconv2d."""
    return Choices(view.name, convolution(view), core, KERNELS)


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


OPS: Mapping[str, Callable[[OpView, Core], Step | Choices]] = MappingProxyType(
    {"LceBconv2d": conv, "LceQuantize": quantize, "LceDequantize": dequantize, "LceBMaxPool2d": max_pool}
)
