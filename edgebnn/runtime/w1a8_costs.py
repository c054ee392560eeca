"""What layers with 1-bit weights gain over int8 ones on a class of processor, by the delegate's costs.

The costs are those of delegate/int8_costs.h, the formula that of delegate/int8_pays.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from edgebnn import kernels

from .build import DELEGATE

_COST = re.compile(r'^EB_W1A8_COST\((\w+), EB_INT8_(\w+), "(\w+)", ([\d., ]+)\)', re.MULTILINE)
_TILE = re.compile(r"^EB_W1A8_KERNEL\((\w+),[^)]*\.channel_tile = (\d+)", re.MULTILINE)

MARGIN = 1.1
"""The delegate packs an int8 layer by itself if it gains more than this."""


@dataclass(frozen=True)
class Cost:
    """On processors that run the kernel ``kernel`` for 1-bit weights, and int8 ones ``int8``: VNNI, VNNI_WIDE, DOT or
    WIDENING.

    Costs are in int8 products. ``source``: "measured" or "estimated". ``tile``: channels computed at once.
    """

    kernel: str
    int8: str
    source: str
    input: float
    product: float
    output: float
    int8_output: float
    tile: int

    @property
    def name(self) -> str:
        """The class of processor."""
        feature = "dot products" if self.kernel.startswith("neon") else "VNNI"
        if self.int8 == "VNNI_WIDE":
            feature += " at full width"
        return f"{self.kernel} {'without' if self.int8 == 'WIDENING' else 'with'} {feature}"


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
    tiles = {name: int(tile) for name, tile in _TILE.findall(kernels.table("w1a8"))}
    found = []
    for kernel, int8, source, costs in _COST.findall((DELEGATE / "int8_costs.h").read_text(encoding="utf-8")):
        each, product, output, int8_output = (float(cost) for cost in costs.split(","))
        found.append(Cost(kernel, int8, source, each, product, output, int8_output, tiles[kernel]))
    return tuple(found)


def speedup(cost: Cost, work: Work) -> float:
    """int8's time divided by that with 1-bit weights."""
    filled = -(-work.channels // work.groups // cost.tile) * cost.tile * work.groups
    ours = cost.input * work.inputs + (cost.product * work.terms + cost.output) * work.pixels * filled
    theirs = ((1 + 1 / work.pixels) * work.terms + cost.int8_output) * work.pixels * work.channels
    return theirs / ours
