"""The cache lines that a kernel touches, one after another, and where its arrays lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Addresses: TypeAlias = NDArray[np.int64]

ARRAYS = ("weights", "windows", "inputs", "outputs", "constants", "stack", "table", "padding", "literals")
WEIGHTS, WINDOWS, INPUTS, OUTPUTS, CONSTANTS, STACK, TABLE, PADDING, LITERALS = range(len(ARRAYS))
"""What a touch belongs to: windows are gathered inputs, or inputs made ready in another way; padding is what is kept to
take padding with zeros back."""

LINE = 64
"""Bytes of a cache line; arrays begin with one."""
PAGE = 4096


@dataclass(frozen=True)
class Placement:
    """Where arrays lie, in bytes. What matters is how they lie to one another within the sets of a cache.

    Attributes:
        stack: its upper end when the layer's driver is called.
        plan: of the layer.
        table: that a kernel looks up in.
        literals: numbers that compilers put beside the program.
        persistent: repacked weights, then constants.
        inputs, outputs: the tensors.
        scratch: what the driver makes of inputs.
    """

    stack: int
    plan: int
    table: int
    literals: int
    persistent: int
    inputs: int
    outputs: int
    scratch: int


def placed(persistent: int, inputs: int, outputs: int) -> Placement:
    """Arrays of so many bytes one after another, each from a page of its own on, the scratch memory last."""
    stack = 1 << 20
    at = [stack + PAGE]
    for size in (persistent, inputs, outputs):
        at.append(at[-1] + -(-size // PAGE) * PAGE)
    return Placement(stack - 24, stack, 2 * PAGE, PAGE, *at)


def align(size: int) -> int:
    """As the kernels round the sizes of their arrays."""
    return -(-size // LINE) * LINE


def within(size: int) -> NDArray[np.int64]:
    """Offsets that touch every line of ``size`` bytes, wherever they begin."""
    return np.asarray(np.unique(np.minimum(np.arange(size // LINE + 2) * LINE, size - 1)), np.int64)


@dataclass(frozen=True, eq=False)
class Touches:
    """One after another: addresses, and the arrays that they belong to, as places in :data:`ARRAYS`."""

    at: Addresses
    of: NDArray[np.int8]

    @staticmethod
    def joined(parts: list[Touches]) -> Touches:
        return Touches(np.concatenate([p.at for p in parts]), np.concatenate([p.of for p in parts]))

    def where(self, kept: NDArray[np.bool_]) -> Touches:
        return Touches(self.at[kept], self.of[kept])

    @staticmethod
    def array(array: int, at: NDArray[np.int64]) -> Touches:
        flat = np.asarray(at, np.int64).reshape(-1)
        return Touches(flat, np.full(flat.size, array, np.int8))
