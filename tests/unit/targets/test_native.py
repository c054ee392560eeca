"""Networks as C in this process: the answers of the reference executor, sample by sample."""

from __future__ import annotations

import numpy as np
import pytest

from edgebnn.errors import InputError
from edgebnn.targets.inputs import run_reference
from edgebnn.targets.model_file import open_model
from edgebnn.targets.native import run_native
from tests.support.w1a8_graphs import ConvLayer, chain, conv_pair


def test_samples_one_at_a_time_and_a_view_that_begins_at_an_odd_byte() -> None:
    """One network for both: what takes time is its compilation."""
    images = np.random.default_rng(0).integers(-128, 128, (3, 6, 5, 8)).astype(np.int8)
    odd = np.zeros(images.nbytes + 1, np.int8)[1:].reshape(images.shape)
    odd[:] = images
    model = open_model(chain([conv_pair(ConvLayer(), seed)[1] for seed in range(2)]))
    for found, expected in zip(run_native(model, [odd]), run_reference(model, [images]), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_arrays_that_do_not_fit_are_refused() -> None:
    model = open_model(conv_pair(ConvLayer())[1])
    with pytest.raises(InputError, match="expects an array"):
        run_native(model, [np.zeros((3, 3, 5, 8), np.int8)])
