"""The reference executor agrees bit for bit with the Larq Compute Engine's own interpreter on every binary op."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from edgebnn.arithmetic.packing import pack, packed_channels
from edgebnn.graph.execute import run
from edgebnn.graph.ops.binary import LceBMaxPool2dOptions, LceDequantizeOptions, LceQuantizeOptions
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.shapes import resize
from edgebnn.graph.types import DType, Graph
from tests.support.binary_cases import ConvCase, bit_equal, conv_cases, conv_graph, reference
from tests.support.graphs import one_op, per_tensor, tensor
from tests.support.oracles import lce_run

CHANNELS = st.integers(1, 100)
SIZES = st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))
SEEDS = st.integers(0, 2**32 - 1)


def one_sample(case: ConvCase) -> Graph:
    """The graph as LCE's interpreter takes it, which feeds one sample at a time."""
    single = replace(case, batches=1)
    return conv_graph(single, single.operands())


def corrects_in_float(case: ConvCase) -> bool:
    """Whether padding with zeros is a float32 correction: where LCE's optimised kernel, its default, can do it."""
    return case.pads_with_zeros and case.output == "float32" and case.activation == Activation.NONE


@given(conv_cases())
def test_a_binary_convolution_is_lces_bit_for_bit_with_every_option(case: ConvCase) -> None:
    assume(not corrects_in_float(case))
    assume(not case.pads_with_zeros or case.channels_in % 2 == 0)  # LCE's reference kernel refuses odd channels there
    case = replace(case, batches=1)
    operands = case.operands()
    (theirs,) = lce_run(conv_graph(case, operands), [operands.x])
    assert bit_equal(reference(case, operands), theirs)


@given(conv_cases())
def test_float_zero_padding_is_that_of_lces_optimised_kernel_bit_for_bit(case: ConvCase) -> None:
    extent = [(k - 1) * d + 1 for k, d in zip(case.filter, case.dilation, strict=True)]
    case = replace(
        case,
        batches=1,
        padding=Padding.SAME,
        pad_value=0,
        groups=1,
        activation=Activation.NONE,
        output="float32",
        # LCE's correction is wrong, and documented so, where the filter is larger than the image.
        size=(case.size[0] + extent[0], case.size[1] + extent[1]),
    )
    operands = case.operands()
    (theirs,) = lce_run(conv_graph(case, operands), [operands.x], reference=False)
    assert bit_equal(reference(case, operands), theirs)


@given(conv_cases())
def test_float_zero_padding_is_that_of_lces_reference_kernel_up_to_rounding(case: ConvCase) -> None:
    case = replace(
        case,
        batches=1,
        padding=Padding.SAME,
        pad_value=0,
        channels_in=case.channels_in + case.channels_in % 2,
        activation=Activation.NONE,
        output="float32",
    )
    operands = case.operands()
    (theirs,) = lce_run(conv_graph(case, operands), [operands.x])
    largest = max(1.0, float(np.abs(operands.multiplier).max()) * case.products)
    np.testing.assert_allclose(reference(case, operands), theirs, rtol=0, atol=1e-6 * largest)


@given(conv_cases(), st.integers(2, 4))
def test_a_batch_gives_the_results_of_its_samples(case: ConvCase, batches: int) -> None:
    graph = one_sample(case)
    x = replace(case, batches=batches).operands().x
    (together,) = run(resize(graph, [x.shape]), [x])
    alone = [run(graph, [x[i : i + 1]])[0] for i in range(batches)]
    assert bit_equal(together, np.concatenate(alone))


@given(
    st.sampled_from([DType.FLOAT32, DType.INT8, DType.BOOL]),
    SIZES,
    CHANNELS,
    st.floats(0.0009765625, 4, width=32),
    st.integers(-128, 127),
    SEEDS,
)
def test_quantize_and_dequantize_are_lces(
    dtype: DType, size: tuple[int, int, int], channels: int, scale: float, zero_point: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n, height, width = size
    quantization = per_tensor(scale, zero_point) if dtype == DType.INT8 else None
    x = rng.integers(-2, 3, (n, height, width, channels))
    if dtype == DType.INT8:
        x = np.clip(x + zero_point, -128, 127)
    data = x.astype(dtype.numpy)
    plain = tensor("x", (1, height, width, channels), dtype, quantization)
    packed = tensor("q", (1, height, width, packed_channels(channels)), DType.INT32)
    quantize = one_op("LceQuantize", LceQuantizeOptions(), [plain], [packed])
    (words,) = run(resize(quantize, [data.shape]), [data])
    assert bit_equal(words, lce_run(quantize, [data])[0])
    dequantize = one_op("LceDequantize", LceDequantizeOptions(), [packed], [replace(plain, name="y")])
    ours = run(resize(dequantize, [words.shape]), [words])[0]
    assert bit_equal(ours, lce_run(dequantize, [words])[0])


def test_minus_zero_and_nan_count_as_plus_one() -> None:
    x = np.asarray([[[[-0.0, 0.0, np.nan, -np.nan, -1.0, np.inf, -np.inf]]]], np.float32)
    graph = one_op("LceQuantize", LceQuantizeOptions(), [tensor("x", x.shape)], [tensor("q", (), DType.INT32)])
    expected = pack(np.asarray([[[[0, 0, 0, 0, 1, 0, 1]]]], np.bool_))
    assert bit_equal(run(graph, [x])[0], expected)
    assert bit_equal(lce_run(graph, [x])[0], expected)


@given(SIZES, st.integers(1, 3), st.tuples(*[st.integers(1, 4)] * 4), st.sampled_from(Padding), SEEDS)
def test_max_pooling_of_packed_words_is_lces(
    size: tuple[int, int, int], words: int, numbers: tuple[int, int, int, int], padding: Padding, seed: int
) -> None:
    n, height, width = size
    filter_height, filter_width, stride_height, stride_width = numbers
    if padding == Padding.VALID:
        height, width = height + filter_height, width + filter_width
    options = LceBMaxPool2dOptions(padding, stride_width, stride_height, filter_width, filter_height)
    x = tensor("x", (1, height, width, words), DType.INT32)
    graph = one_op("LceBMaxPool2d", options, [x], [tensor("y", (), DType.INT32)])
    data = np.random.default_rng(seed).integers(-(2**31), 2**31, (n, height, width, words)).astype(np.int32)
    assert bit_equal(run(resize(graph, [data.shape]), [data])[0], lce_run(graph, [data])[0])
