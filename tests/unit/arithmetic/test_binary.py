"""Binary dot products against sums of products, and LCE's output transforms against their definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebnn.arithmetic.binary import (
    float_output,
    int8_output,
    output_transform,
    packed_output,
    signs,
)
from edgebnn.arithmetic.exact import exact_dtype, sum_bound
from edgebnn.arithmetic.packing import pack

FLOAT32 = np.dtype(np.float32)


@given(st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_the_dot_product_is_that_of_plus_and_minus_one(channels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 2, (2, 3, channels)).astype(np.bool_)
    packed_a, packed_b = pack(a), pack(b)
    expected = (np.where(a, -1, 1) * np.where(b, -1, 1)).sum(axis=-1)
    product = (signs(packed_a, channels, FLOAT32) * signs(packed_b, channels, FLOAT32)).sum(axis=-1)
    np.testing.assert_array_equal(product, expected)


ACTIVATIONS = st.sampled_from([(None, None), (0.0, None), (-1.0, 1.0), (0.0, 6.0)])


@given(st.integers(1, 5000), ACTIVATIONS, st.integers(0, 2**32 - 1))
def test_float_outputs_are_activation_times_multiplier_plus_bias(
    products: int, activation: tuple[float | None, float | None], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    multiplier, bias = rng.normal(size=(2, 4)).astype(np.float32)
    accumulators = rng.integers(0, products + 1, (50, 4))
    transform = output_transform(multiplier, bias, products, activation)
    low, high = (
        (-np.inf if activation[0] is None else activation[0]),
        (np.inf if activation[1] is None else activation[1]),
    )
    exact = np.clip(products - 2 * accumulators, low, high) * multiplier.astype(float) + bias
    np.testing.assert_allclose(float_output(2 * accumulators, transform), exact, atol=3e-7 * products + 1e-5)


def test_int8_outputs_round_halves_away_from_zero_and_saturate() -> None:
    transform = output_transform(np.ones(1, np.float32), np.zeros(1, np.float32), 300, (None, None), scale=2.0)
    twice = np.asarray([[299], [301], [297], [303], [0], [600]])
    assert int8_output(twice, transform).ravel().tolist() == [1, -1, 2, -2, 127, -128]


def test_packed_outputs_are_minus_one_above_the_threshold() -> None:
    accumulators = np.asarray([[4, 5, 6]])
    assert packed_output(accumulators, [5, 5, 5]).tolist() == [[False, False, True]]
    limits = np.iinfo(np.int32)
    assert packed_output(accumulators, [limits.min, limits.max, limits.min]).tolist() == [[True, False, True]]


def test_the_type_of_exact_sums_follows_from_their_bound() -> None:
    assert exact_dtype(2**24) == np.float32
    assert exact_dtype(2**24 + 1) == np.float64
    assert exact_dtype(2**53) == np.float64
    with pytest.raises(ValueError, match="not exact"):
        exact_dtype(2**53 + 1)
    assert sum_bound(np.asarray([[1, -2], [3, 4]], np.int8), 255) == 255 * 7
    assert sum_bound(np.asarray([[-128]], np.int8), 255) == 255 * 128
