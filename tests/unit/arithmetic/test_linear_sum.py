"""Sums by two multiplications: equal for all pairs of values, or none."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgebnn.arithmetic.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier
from edgebnn.arithmetic.linear_sum import prove_sum

EVERY = np.arange(-128, 128)


def sums(
    scales: tuple[float, float, float], zero_points: tuple[int, int, int], sign: int = 1, low: int = -128
) -> NDArray[np.int8]:
    """ADD (or SUB) of all pairs, as int8 layers compute it: [256, 256]."""
    twice = 2 * max(scales[:2])
    first, second = (
        multiply_by_quantized_multiplier((EVERY - zero) << 20, *quantize_multiplier(scale / twice))
        for scale, zero in zip(scales[:2], zero_points[:2], strict=True)
    )
    total = first[:, None] + sign * second[None]
    scaled = multiply_by_quantized_multiplier(total, *quantize_multiplier(twice / (2**20 * scales[2])))
    return np.clip(scaled + zero_points[2], low, 127).astype(np.int8)


@pytest.mark.parametrize(
    ("scales", "zero_points", "sign", "low"),
    [
        ((0.0763, 0.1042, 0.0509), (-128, 4, -128), 1, -128),
        ((0.11, 0.02, 0.09), (3, -7, 12), -1, -128),
        ((0.5, 0.5, 0.5), (0, 0, 0), 1, -128),  # nothing is rounded
        ((0.5, 0.5, 1.0), (0, 0, 0), 1, -128),  # halves are, away from zero
        ((0.5, 0.5, 1.0), (1, 0, -5), -1, -128),
        ((0.03, 0.05, 0.071), (9, -9, -20), 1, -20),
        ((0.001, 0.001, 0.9), (0, 0, 5), 1, -128),  # one value
    ],
)
def test_sums_of_quantized_operands(
    scales: tuple[float, float, float], zero_points: tuple[int, int, int], sign: int, low: int
) -> None:
    values = sums(scales, zero_points, sign, low)
    found = prove_sum(values, (scales[0] / scales[2], sign * scales[1] / scales[2]), low)
    assert found is not None
    a, b = found.factors
    total = (a * EVERY[:, None] + b * EVERY[None] + found.addend).astype(np.int64)
    assert np.abs(total).max() < 2**31
    np.testing.assert_array_equal(np.clip(total >> found.shift, low, 127), values)


def test_what_is_no_sum_is_not_found() -> None:
    products = np.clip(EVERY[:, None] * EVERY[None] // 64, -128, 127).astype(np.int8)
    assert prove_sum(products, (1.0, 1.0)) is None
    changed = sums((0.0763, 0.1042, 0.0509), (-128, 4, -128)).copy()
    changed[140, 130] -= 1
    assert prove_sum(changed, (0.0763 / 0.0509, 0.1042 / 0.0509)) is None
