"""What layers with 1-bit weights gain over int8 ones on a class of processor, by the kernels' costs.

The costs are those of kernels/host/w1a8_costs.h, the formula and the choice of a kernel those of w1a8_costs.c there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from edgebnn import kernels

_COST = re.compile(r'^EB_W1A8_COST\((\w+), (\w+), "(\w+)", (\d+), ([\d., ]+)\)', re.MULTILINE)

MARGIN = 1.1
"""The delegate packs an int8 layer by itself if it gains more than this."""


@dataclass(frozen=True)
class Cost:
    """On processors that run the kernel ``kernel`` for 1-bit weights, and int8 ones ``int8``: AMX, VNNI, VNNI_WIDE,
    DOT, WIDENING or WIDENING_WIDE.

    Costs are in int8 products. ``source``: "measured" or "estimated". ``together``: channels that are computed
    together, whether they exist or not.
    """

    kernel: str
    int8: str
    source: str
    together: int
    input: float
    block: float
    product: float
    output: float
    weight: float
    int8_output: float
    int8_weight: float

    @property
    def name(self) -> str:
        """The class of processor."""
        feature = "dot products" if self.kernel.startswith("neon") else "VNNI"
        if self.int8 == "AMX":
            feature = "AMX"
        if self.int8 == "VNNI_WIDE":
            feature += " at full width"
        if self.int8 == "WIDENING_WIDE":
            feature += " in AVX-512"
        return f"{self.kernel} {'without' if self.int8.startswith('WIDENING') else 'with'} {feature}"


@dataclass(frozen=True)
class Work:
    """Of one layer: ``inputs`` of all pixels, ``terms`` of a sum, output ``pixels`` and ``channels`` in ``groups``."""

    inputs: int
    terms: int
    pixels: int
    channels: int
    groups: int = 1


@lru_cache
def read_costs() -> tuple[Cost, ...]:
    """Every line of the table."""
    text = (kernels.FOLDER / "host" / "w1a8_costs.h").read_text(encoding="utf-8")
    return tuple(
        Cost(kernel, int8, source, int(together), *(float(cost) for cost in costs.split(",")))
        for kernel, int8, source, together, costs in _COST.findall(text)
    )


def time_of(cost: Cost, work: Work) -> float:
    """With 1-bit weights, in int8 products."""
    filled = -(-work.channels // work.groups // cost.together) * cost.together * work.groups
    each = (cost.product * work.terms + cost.output) * work.pixels + cost.weight * work.terms
    staged = min(work.inputs, work.terms * work.groups * work.pixels)
    blocks = filled / cost.together / work.groups
    return (cost.input + cost.block * blocks) * staged + each * filled


def chosen(costs: Iterable[Cost], work: Work) -> Cost:
    """The costs of the kernel that a processor chooses among those of ``costs``, all of which it runs."""
    return min(costs, key=lambda cost: time_of(cost, work))


def speedup(cost: Cost, work: Work) -> float:
    """int8's time divided by that with 1-bit weights."""
    theirs = (work.terms + cost.int8_output) * work.pixels + cost.int8_weight * work.terms
    return theirs * work.channels / time_of(cost, work)
