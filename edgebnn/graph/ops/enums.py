"""The enumerations of the TFLite schema that op options use."""

from __future__ import annotations

from enum import IntEnum


class Padding(IntEnum):
    SAME = 0
    VALID = 1


class Activation(IntEnum):
    """Fused activation function."""

    NONE = 0
    RELU = 1
    RELU_N1_TO_1 = 2
    RELU6 = 3
    TANH = 4
    SIGN_BIT = 5


class TensorType(IntEnum):
    """Element type as the schema numbers it (options of CAST, SHAPE, ARG_MAX ...)."""

    FLOAT32 = 0
    FLOAT16 = 1
    INT32 = 2
    UINT8 = 3
    INT64 = 4
    STRING = 5
    BOOL = 6
    INT16 = 7
    COMPLEX64 = 8
    INT8 = 9
    FLOAT64 = 10


class WeightsFormat(IntEnum):
    DEFAULT = 0
    SHUFFLED4X16INT8 = 1


class MirrorPadMode(IntEnum):
    REFLECT = 0
    SYMMETRIC = 1
