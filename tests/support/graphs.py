"""Comparing graphs: the IR's dataclasses leave equality to the tests, since arrays have none of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgebnn.graph.types import Graph, Tensor


def differences(one: Graph, other: Graph) -> list[str]:
    """What differs between two graphs, in words; empty when they are equal, data included."""
    found = [
        f"{field}: {getattr(one, field)!r} != {getattr(other, field)!r}"
        for field in ("name", "ops", "inputs", "outputs", "description", "signatures", "metadata")
        if getattr(one, field) != getattr(other, field)
    ]
    if len(one.tensors) != len(other.tensors):
        return [*found, f"{len(one.tensors)} tensors != {len(other.tensors)}"]
    pairs = enumerate(zip(one.tensors, other.tensors, strict=True))
    return found + [f"tensor {index}: {a!r} != {b!r}" for index, (a, b) in pairs if not _same_tensor(a, b)]


def _same_tensor(one: Tensor, other: Tensor) -> bool:
    if one.data is None or other.data is None:
        same_data = one.data is other.data
    else:
        same_data = one.data.dtype == other.data.dtype and np.array_equal(
            one.data.reshape(-1).view(np.uint8), other.data.reshape(-1).view(np.uint8)
        )
    return same_data and vars(replace(one, data=None)) == vars(replace(other, data=None))
