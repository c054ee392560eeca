"""What TensorFlow Lite's quantizer is given of a graph."""

from __future__ import annotations

import numpy as np
import pytest

from edgebnn.converters.post_training import int8_around_binary
from edgebnn.converters.read_tflite import read
from edgebnn.graph.ops.shape_ops import SplitOptions
from edgebnn.graph.types import Op
from tests.support.image_graphs import Building, normal


class Stopped(Exception):
    """Instead of quantizing."""


def test_results_that_nobody_reads_are_outputs_for_the_quantizer() -> None:
    built, given = Building(), list[bytes]()
    x, axis = built.image(), built.tensor(0, np.asarray(3, np.int32))
    used, unused = built.tensor(16), built.tensor(16)
    built.ops.append(Op("SPLIT", (axis, x), (used, unused), SplitOptions(2)))

    def quantize(content: bytes) -> bytes:
        given.append(content)
        raise Stopped

    with pytest.raises(Stopped):
        int8_around_binary(built.graph(used), [normal()], quantize)
    rest = read(given[0])
    assert [rest.tensors[i].name for i in rest.outputs] == [built.tensors[i].name for i in (used, unused)]
