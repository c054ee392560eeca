"""A network that classifies images by their color: the softmax of the mean of each channel."""

from __future__ import annotations

import numpy as np

from edgebnn.graph.ops.activation import SoftmaxOptions
from edgebnn.graph.ops.reduce import ReducerOptions
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import DType, Graph, Quantization
from tests.support.graphs import Step, chain, constant, tensor

LABELS = ("red", "green", "blue")


def classifier(quantization: Quantization | None = None, dtype: DType = DType.INT8) -> Graph:
    """On images [1, 4, 6, 3]: of floats, or of ``dtype`` with the quantization that is given."""
    image, real = tensor("image", (1, 4, 6, 3)), tensor("real", (1, 4, 6, 3))
    axes, mean = constant("axes", np.array([1, 2], np.int32)), tensor("mean", (1, 3))
    steps: list[Step] = []
    if quantization is not None:
        image = tensor("image", (1, 4, 6, 3), dtype, quantization)
        steps = [("DEQUANTIZE", NoOptions(), [image], [real], 2)]
    steps += [
        ("MEAN", ReducerOptions(), [image if quantization is None else real, axes], [mean], 1),
        ("SOFTMAX", SoftmaxOptions(1.0), [mean], [tensor("scores", (1, 3))], 1),
    ]
    return chain(steps)
