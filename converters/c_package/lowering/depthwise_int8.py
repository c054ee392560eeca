"""Depthwise convolutions of int8 tensors: DEPTHWISE_CONV_2D."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edgebnn.converters.c_package import leads
from edgebnn.converters.c_package.program import Step, Struct, geometry
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.conv import DepthwiseConv2DOptions, check_operands, conv_window, symmetric_factors
from edgebnn.graph.ops.view import input_tensor, optional_input, options
from edgebnn.graph.types import DType
from edgebnn.kernels.cores import Core

from .conv_int8 import wrapped
from .int8 import (
    NarrowRescaling,
    Rescaling,
    constant_data,
    narrow_rescaling,
    optional_bias,
    rescaling,
    sum_range,
    zero_point_of,
)


@dataclass(frozen=True)
class _Depthwise:
    """A depthwise layer as its kernels need it. weights: [filter height, filter width, output channels]."""

    weights: NDArray[np.int8]
    bias: NDArray[np.int64]
    channels: int
    zero_point: int
    rescaling: Rescaling
    narrow: NarrowRescaling | None

    @property
    def taps(self) -> int:
        return self.weights.shape[0] * self.weights.shape[1]


def _depthwise_plain(made: _Depthwise) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    return made.weights, np.stack([made.bias, made.rescaling.multiplier, made.rescaling.shift], axis=1)


def _folded_bias(made: _Depthwise) -> NDArray[np.int64]:
    return np.asarray(made.bias - made.zero_point * made.weights.astype(np.int64).sum(axis=(0, 1)))


def _depthwise_words(made: _Depthwise) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """One channel behind the other."""
    assert made.narrow is not None
    narrow = made.narrow
    constants = np.stack([_folded_bias(made), narrow.multiplier, narrow.addend, narrow.shift], axis=1)
    return np.ascontiguousarray(made.weights.transpose(2, 0, 1)), constants


def _depthwise_dsp(made: _Depthwise) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Four channels side by side."""
    assert made.narrow is not None
    flat = made.weights.reshape(made.taps, -1, 4)
    of_each = np.stack([made.narrow.multiplier, made.narrow.addend, made.narrow.shift], axis=1)
    constants = np.concatenate([_folded_bias(made).reshape(-1, 4), of_each.reshape(-1, 12)], axis=1)
    return np.ascontiguousarray(flat.transpose(1, 0, 2)), constants


@dataclass(frozen=True)
class _DepthwiseKernel:
    """A variant: whether it is for this core and layer, its C, weights and constants in its order, and its scratch."""

    applies: Callable[[Core, _Depthwise], bool]
    function: str
    source: str
    pack: Callable[[_Depthwise], tuple[NDArray[np.int8], NDArray[np.int64]]]
    scratch: Callable[[_Depthwise], int]


_DEPTHWISE_KERNELS = (
    _DepthwiseKernel(
        lambda core, made: (
            core.dsp and made.narrow is not None and made.channels % 4 == 0 and made.weights.shape[2] == made.channels
        ),
        "eb_depthwise_int8_dsp",
        "cortex_m/depthwise_int8_dsp.c",
        _depthwise_dsp,
        lambda made: made.taps * made.channels,
    ),
    _DepthwiseKernel(
        lambda core, made: core.cpu != "" and not core.dsp and made.narrow is not None,
        "eb_depthwise_int8_words",
        "cortex_m/depthwise_int8_words.c",
        _depthwise_words,
        lambda made: made.taps * made.channels + 4 * made.weights.shape[2],
    ),
    _DepthwiseKernel(
        lambda core, made: True, "eb_depthwise_int8", "core/depthwise_int8.c", _depthwise_plain, lambda made: 0
    ),
)


def depthwise(view: OpView, core: Core) -> Step:
    """The step of a DEPTHWISE_CONV_2D."""
    opts = options(view, DepthwiseConv2DOptions)
    x, weights = input_tensor(view, 0), input_tensor(view, 1)
    check_operands(view, weights, optional_input(view, 2))
    w = constant_data(view, 1)[0]
    outputs, size, window = w.shape[2], (x.shape[1], x.shape[2]), conv_window(view, depthwise=True)
    scales = rescaling(view, symmetric_factors(view, x, weights), outputs, opts.fused_activation_function)
    bias, zero_point = optional_bias(view, 2, outputs), zero_point_of(view, x)
    narrow = narrow_rescaling(scales, *sum_range(w.reshape(-1, outputs).T, bias, zero_point))
    made = _Depthwise(w, bias, x.shape[3], zero_point, scales, narrow)
    kernel = next(kernel for kernel in _DEPTHWISE_KERNELS if kernel.applies(core, made))
    packed, constants = kernel.pack(made)
    lead = leads.sliding(window, x.shape[0], size, x.shape[3], outputs) + outputs  # of a pixel that is written in part
    return Step(
        function=kernel.function,
        header="core/depthwise_int8.h",
        sources=(kernel.source,),
        layer=Struct(
            "eb_depthwise_int8_layer",
            {
                "geometry": geometry(window, x.shape[0], size),
                "channels": x.shape[3],
                "multiplicity": outputs // x.shape[3],
                "input_zero_point": zero_point,
                "output_zero_point": scales.zero_point,
                "low": scales.low,
                "high": scales.high,
                "weights": packed,
                "constants": wrapped(constants),
            },
        ),
        inputs=(0,),
        scratch_bytes=kernel.scratch(made),
        leads={0: lead},
    )


OPS: Mapping[tuple[str, DType], Callable[[OpView, Core], Step]] = MappingProxyType(
    {("DEPTHWISE_CONV_2D", DType.INT8): depthwise}
)
