"""The deployed model's outputs beside those of other computations of the same network."""

from __future__ import annotations

import numpy as np

from edgebnn.graph.types import Array
from edgebnn.reports.data import APART, Agreement


def accuracy(outputs: Array, labels: Array) -> float:
    """The share of rows of ``outputs`` [N, classes] whose largest entry is at the label [N]."""
    return float(np.mean(np.argmax(outputs, axis=1) == labels))


def agreement(reference: str, ours: Array, theirs: Array, note: str = "") -> Agreement:
    """How ``ours`` [N, classes] compare with ``theirs``, row by row."""
    gaps = np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max(axis=1)
    output_range = float(theirs.max()) - float(theirs.min())
    return Agreement(
        reference=reference,
        samples=len(ours),
        same_class=int(np.count_nonzero(np.argmax(ours, axis=1) == np.argmax(theirs, axis=1))),
        bit_equal=int(np.count_nonzero(np.all(ours == theirs, axis=1))),
        apart=int(np.count_nonzero(gaps > APART * output_range)),
        max_abs_diff=float(gaps.max()),
        output_range=output_range,
        note=note,
    )
