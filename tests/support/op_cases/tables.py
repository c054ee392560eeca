"""Random single-op graphs with inputs, one hypothesis strategy per op, for float32 and int8 alike."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from hypothesis import strategies as st

from edgebnn.graph.ops.elementwise import AddOptions, DivOptions, MulOptions, SubOptions
from edgebnn.graph.ops.enums import TensorType
from edgebnn.graph.ops.reduce import ArgMaxOptions, ArgMinOptions
from edgebnn.graph.ops.resize import ResizeBilinearOptions, ResizeNearestNeighborOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import DType
from tests.support.graphs import per_tensor
from tests.support.op_cases.base import Case, Cases
from tests.support.op_cases.elementwise import (
    comparison,
    division,
    elementwise,
    gelu,
    hard_swish,
    l2_normalization,
    leaky_relu,
    no_activation,
    positive,
    power_of,
    prelu,
    rsqrt,
    selection,
    softmax,
    unary,
)
from tests.support.op_cases.linear import batch_matmul, conv_2d, depthwise_conv_2d, fully_connected, transpose_conv
from tests.support.op_cases.moving import MOVING, resize
from tests.support.op_cases.reductions import arg, pool, reduction
from tests.support.op_cases.typed import cast, dequantize, fill, logical, quantize, shape_of, zeros_like

COMMON: Mapping[str, Cases] = {
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "TRANSPOSE_CONV": transpose_conv,
    "FULLY_CONNECTED": fully_connected,
    "BATCH_MATMUL": batch_matmul,
    "AVERAGE_POOL_2D": pool("AVERAGE_POOL_2D"),
    "MAX_POOL_2D": pool("MAX_POOL_2D"),
    "MEAN": reduction("MEAN", (-1, 6)),
    "SUM": reduction("SUM", (-1, 6)),
    "REDUCE_MAX": reduction("REDUCE_MAX"),
    "REDUCE_PROD": reduction("REDUCE_PROD", (-2, 4)),
    "REDUCE_MIN": reduction("REDUCE_MIN"),
    "ARG_MAX": arg("ARG_MAX", ArgMaxOptions(TensorType.INT32)),
    "ARG_MIN": arg("ARG_MIN", ArgMinOptions(TensorType.INT32)),
    "ADD": elementwise("ADD", AddOptions, (-6, 2)),
    "SUB": elementwise("SUB", SubOptions, (-6, 2)),
    "MUL": elementwise("MUL", MulOptions, (-10, 4)),
    "SQUARED_DIFFERENCE": elementwise("SQUARED_DIFFERENCE", no_activation(NoOptions), (-3, 4)),
    "MAXIMUM": elementwise("MAXIMUM", no_activation(NoOptions)),
    "MINIMUM": elementwise("MINIMUM", no_activation(NoOptions)),
    "ABS": unary("ABS"),
    "EXP": unary("EXP", scale=(-8, 4)),
    "LOG": unary("LOG", transform=positive),
    "ELU": unary("ELU"),
    "RELU": unary("RELU"),
    "RELU6": unary("RELU6"),
    "RELU_N1_TO_1": unary("RELU_N1_TO_1"),
    "RELU_0_TO_1": unary("RELU_0_TO_1"),
    "LEAKY_RELU": leaky_relu,
    "PRELU": prelu,
    "GELU": gelu,
    "L2_NORMALIZATION": l2_normalization,
    "HARD_SWISH": hard_swish,
    "LOGISTIC": unary("LOGISTIC", output=per_tensor(1 / 256, -128)),
    "TANH": unary("TANH", output=per_tensor(1 / 128, 0)),
    "SOFTMAX": softmax,
    "RSQRT": rsqrt,
    "RESIZE_NEAREST_NEIGHBOR": resize("RESIZE_NEAREST_NEIGHBOR", ResizeNearestNeighborOptions),
    "RESIZE_BILINEAR": resize("RESIZE_BILINEAR", ResizeBilinearOptions),
    "EQUAL": comparison("EQUAL"),
    "NOT_EQUAL": comparison("NOT_EQUAL"),
    "GREATER": comparison("GREATER"),
    "GREATER_EQUAL": comparison("GREATER_EQUAL"),
    "LESS": comparison("LESS"),
    "LESS_EQUAL": comparison("LESS_EQUAL"),
    "SELECT": selection("SELECT"),
    "SELECT_V2": selection("SELECT_V2"),
    **MOVING,
}
"""Strategies that work for float32 and for int8."""

INTEGERS: Mapping[str, Cases] = {
    kind: COMMON[kind]
    for kind in (
        "ADD",
        "SUB",
        "MUL",
        "MAXIMUM",
        "MINIMUM",
        "REDUCE_MAX",
        "REDUCE_MIN",
        "EQUAL",
        "LESS",
        "GREATER_EQUAL",
    )
}
"""Strategies that work for int32 as well."""

FLOAT_ONLY: Mapping[str, Cases] = {
    "DIV": division("DIV", DivOptions()),
    "NEG": unary("NEG"),
    "SIGN": unary("SIGN"),
    "SQUARE": unary("SQUARE"),
    "SQRT": unary("SQRT", transform=np.abs),
    "POW": power_of,
    "FLOOR_DIV": division("FLOOR_DIV", NoOptions()),
    "FLOOR": unary("FLOOR"),
    "CEIL": unary("CEIL"),
    "ROUND": unary("ROUND"),
    "SIN": unary("SIN"),
    "COS": unary("COS"),
    "LOG_SOFTMAX": unary("LOG_SOFTMAX"),
}

OF_SEVERAL_TYPES: Mapping[str, st.SearchStrategy[Case]] = {
    "QUANTIZE": quantize(),
    "DEQUANTIZE": dequantize(),
    "CAST": cast(),
    "SHAPE": shape_of(),
    "FILL": fill(),
    "ZEROS_LIKE": zeros_like(),
    "REDUCE_ANY": reduction("REDUCE_ANY")(DType.BOOL),
    "REDUCE_ALL": reduction("REDUCE_ALL")(DType.BOOL),
    "LOGICAL_AND": logical("LOGICAL_AND"),
    "LOGICAL_OR": logical("LOGICAL_OR"),
    "LOGICAL_NOT": logical("LOGICAL_NOT"),
}
"""Ops between types; their results are exact."""
