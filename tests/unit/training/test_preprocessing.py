"""Preprocessing against its definition, and resizing against TensorFlow's."""

from __future__ import annotations

import numpy as np
import pytest

from edgebnn._tensorflow import tf
from edgebnn.preprocessing import preprocess


def test_bytes_become_floats_between_minus_one_and_one() -> None:
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    result = preprocess(images)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.ravel(), np.arange(256) / 127.5 - 1, atol=1e-7)
    assert preprocess(images, (16, 16)).tobytes() == result.tobytes()


@pytest.mark.parametrize("size", [(224, 224), (7, 40), (13, 11), (1, 1)])
def test_resizing_is_bilinear_as_tensorflows(size: tuple[int, int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 13, 11, 3)).astype(np.uint8)
    expected = tf.image.resize(preprocess(images), size, "bilinear").numpy()
    np.testing.assert_allclose(preprocess(images, size), expected, atol=1e-5)


def test_a_single_pixel_fills_the_image() -> None:
    np.testing.assert_array_equal(preprocess(np.full((1, 1, 1, 1), 255, np.uint8), (3, 2)), np.ones((1, 3, 2, 1)))
