"""Counting where two computations of one network agree."""

from __future__ import annotations

import numpy as np
import pytest

from edgebnn.demo.results import accuracy, agreement


def test_accuracy_is_the_share_of_rows_with_the_largest_entry_at_the_label() -> None:
    outputs = np.array([[1.0, 2.0], [3.0, 1.0], [0.0, 5.0], [2.0, 1.0]])
    assert accuracy(outputs, np.array([1, 0, 0, 0])) == 0.75


def test_agreement_counts_classes_bits_and_mismatches() -> None:
    theirs = np.array([[10.0, 0.0], [10.0, 0.0], [10.0, 0.0], [10.0, 0.0]], np.float32)
    ours = theirs.copy()
    ours[1, 0] += 1e-5
    ours[2, 0] = 9.0
    ours[3] = [0.0, 10.0]
    found = agreement("Keras", ours, theirs)
    assert (found.samples, found.same_class, found.bit_equal, found.mismatches) == (4, 3, 1, 2)
    assert found.max_abs_diff == pytest.approx(10.0)
    assert found.output_range == pytest.approx(10.0)
