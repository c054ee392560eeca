"""Pooling and means of int8 tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from edgebnn.arithmetic.fixed_point import quantize_multiplier
from edgebnn.converters.c_package import leads
from edgebnn.converters.c_package.program import Step, Struct, geometry
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.fused import integer_bounds
from edgebnn.graph.ops.pool import Pool2DOptions, pool_window
from edgebnn.graph.ops.reduce import mean_multiplier, reduced_axes
from edgebnn.graph.ops.view import input_tensor, options, scale_and_zero_point
from edgebnn.graph.types import DType
from edgebnn.kernels.cores import Core

from .broadcasting import broadcast, merged, steps

_FUNCTIONS = {"AVERAGE_POOL_2D": "eb_average_pool_int8", "MAX_POOL_2D": "eb_max_pool_int8"}
_MOST_SUMMANDS = 255
"""int8 values whose sum fits in 16 bits, whatever they are."""


def pool(op: OpView, core: Core) -> Step:
    """The step of an AVERAGE_POOL_2D or a MAX_POOL_2D."""
    window, x = pool_window(op), input_tensor(op, 0)
    size, channels = (x.shape[1], x.shape[2]), x.shape[3]
    low, high = integer_bounds(op, options(op, Pool2DOptions).fused_activation_function)
    few = op.op.kind == "MAX_POOL_2D" or window.filter[0] * window.filter[1] <= _MOST_SUMMANDS
    fast = core.dsp and channels % 4 == 0 and few
    return Step(
        function=_FUNCTIONS[op.op.kind] + ("_dsp" if fast else ""),
        header="core/pool_int8.h",
        sources=("cortex_m/pool_int8_dsp.c" if fast else "core/pool_int8.c",),
        layer=Struct(
            "eb_pool_int8_layer",
            {"geometry": geometry(window, x.shape[0], size), "channels": channels, "low": low, "high": high},
        ),
        inputs=(0,),
        # A pixel is written channel by channel, while its window is still read.
        leads={0: leads.sliding(window, x.shape[0], size, channels, channels) + channels},
    )


def mean(op: OpView, core: Core) -> Step:
    """The step of a MEAN."""
    x = input_tensor(op, 0)
    scale, zero_point = scale_and_zero_point(op, x)
    output_scale, output_zero_point = scale_and_zero_point(op, op.outputs[0])
    axes, step = reduced_axes(op), steps(x.shape, len(x.shape))
    count = int(np.prod([x.shape[a] for a in axes], dtype=np.int64))
    multiplier = mean_multiplier(quantize_multiplier(float(scale) / float(output_scale)), count)
    kept = merged([(x.shape[a], step[a], 0) for a in range(len(x.shape)) if a not in axes])
    reduced = merged([(x.shape[a], step[a], 0) for a in axes])
    fast = core.dsp and len(reduced) == 1 and count <= _MOST_SUMMANDS and kept[-1][1] == 1 and kept[-1][0] % 4 == 0
    return Step(
        function="eb_mean_int8_dsp" if fast else "eb_mean_int8",
        header="core/mean_int8.h",
        sources=("cortex_m/mean_int8_dsp.c" if fast else "core/mean_int8.c",),
        layer=Struct(
            "eb_mean_int8_layer",
            {
                "shape": broadcast(kept),
                "reduced": broadcast(reduced),
                "input_offset": count * zero_point,
                "multiplier": multiplier.value,
                "shift": multiplier.shift,
                "output_zero_point": output_zero_point,
            },
        ),
        inputs=(0,),
    )


OPS: Mapping[tuple[str, DType], Callable[[OpView, Core], Step]] = MappingProxyType(
    {**{(kind, DType.INT8): pool for kind in _FUNCTIONS}, ("MEAN", DType.INT8): mean}
)
