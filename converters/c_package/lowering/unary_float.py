"""Functions of one float32 tensor: element by element, or of rows along the last axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from edgebnn.converters.c_package.program import Step, Struct, Value
from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.activation import GeluOptions, L2NormOptions, LeakyReluOptions, SoftmaxOptions
from edgebnn.graph.ops.enums import Activation
from edgebnn.graph.ops.view import input_tensor, options, unsupported
from edgebnn.graph.types import DType
from edgebnn.kernels.cores import Core

_FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("ABS", "NEG", "SIGN", "SQUARE", "FLOOR", "CEIL", "ROUND", "HARD_SWISH"), ("unary_float",)),
    **dict.fromkeys(("EXP", "ELU", "LOGISTIC"), ("exp_float",)),
    **{"SQRT": ("sqrt_float",), "RSQRT": ("sqrt_float",), "LOG": ("log_float",)},
    **{"SIN": ("sin_float",), "COS": ("sin_float",), "TANH": ("tanh_float", "exp_float")},
}
"""C files by kind."""
_BOUNDS = {
    "RELU": (0.0, np.inf),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU_0_TO_1": (0.0, 1.0),
}


def _elementwise(op: OpView, name: str, sources: tuple[str, ...], first: float = 0.0, second: float = 0.0) -> Step:
    fields: dict[str, Value] = {"elements": input_tensor(op, 0).elements, "first": first, "second": second}
    return Step(
        function=f"eb_{name}_float",
        header="core/unary.h",
        sources=tuple(f"core/{source}.c" for source in sources),
        layer=Struct("eb_unary_float_layer", fields),
        inputs=(0,),
        leads={0: 0},
    )


def _function(op: OpView, core: Core) -> Step:
    return _elementwise(op, op.op.kind.lower(), _FUNCTIONS[op.op.kind])


def _clamp(op: OpView, core: Core) -> Step:
    return _elementwise(op, "clamp", ("unary_float",), *_BOUNDS[op.op.kind])


def _leaky_relu(op: OpView, core: Core) -> Step:
    return _elementwise(op, "leaky_relu", ("unary_float",), float(np.float32(options(op, LeakyReluOptions).alpha)))


def _gelu(op: OpView, core: Core) -> Step:
    if options(op, GeluOptions).approximate:
        return _elementwise(op, "gelu_tanh", ("gelu_tanh_float", "exp_float"))
    return _elementwise(op, "gelu", ("gelu_float", "exp_float"))


def _rows(op: OpView, name: str, sources: tuple[str, ...], factor: float = 1.0) -> Step:
    x = input_tensor(op, 0)
    depth = x.shape[-1] if x.shape else 1
    fields: dict[str, Value] = {"rows": x.elements // max(depth, 1), "depth": depth, "factor": factor}
    return Step(
        function=f"eb_{name}_float",
        header="core/softmax_float.h",
        sources=tuple(f"core/{source}.c" for source in sources),
        layer=Struct("eb_rows_float_layer", fields),
        inputs=(0,),
        leads={0: 0},
    )


def _softmax(op: OpView, core: Core) -> Step:
    beta = float(np.float32(options(op, SoftmaxOptions).beta))
    return _rows(op, "softmax", ("softmax_float", "exp_float"), beta)


def _log_softmax(op: OpView, core: Core) -> Step:
    return _rows(op, "log_softmax", ("log_softmax_float", "exp_float", "log_float"))


def _l2_normalization(op: OpView, core: Core) -> Step:
    activation = options(op, L2NormOptions).fused_activation_function
    if activation != Activation.NONE:
        raise unsupported(op, f"fused activation {activation.name}", "none")
    return _rows(op, "l2_normalization", ("l2_normalization_float", "sqrt_float"))


_LOWERINGS: Mapping[str, Callable[[OpView, Core], Step]] = {
    **dict.fromkeys(_FUNCTIONS, _function),
    **dict.fromkeys(_BOUNDS, _clamp),
    "LEAKY_RELU": _leaky_relu,
    "GELU": _gelu,
    "SOFTMAX": _softmax,
    "LOG_SOFTMAX": _log_softmax,
    "L2_NORMALIZATION": _l2_normalization,
}
OPS: Mapping[tuple[str, DType], Callable[[OpView, Core], Step]] = MappingProxyType(
    {(kind, DType.FLOAT32): lowering for kind, lowering in _LOWERINGS.items()}
)
