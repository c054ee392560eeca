"""The declared space of the Linux kernels: which orders and tiles each line of a table has for a layer.

It says in Python what ``eb_bconv2d_plan_schedule`` and ``eb_w1a8_plan_schedule`` say in C; tests hold one against the
other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from .schedules import KernelSpace, TileSizes
from .tables import KernelLine, lines

_WORD_BITS = 32


@dataclass(frozen=True)
class LayerShape:
    """What the kernels have to know of a layer. Sizes are (height, width); channels are of all groups together.

    Attributes:
        operation: "bconv2d" or "w1a8".
        output_type: "float32", "int8", or "int32" for packed signs.
        padded: whether windows reach beyond the image; ``pads_with_zeros``: and are filled with zeros there.
    """

    operation: str
    batch: int
    in_size: tuple[int, int]
    out_size: tuple[int, int]
    filter_size: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    in_channels: int
    out_channels: int
    groups: int
    output_type: str
    depthwise: bool = False
    padded: bool = False
    pads_with_zeros: bool = False

    @property
    def pixels(self) -> int:
        """Of output, of all samples."""
        return self.batch * math.prod(self.out_size)

    @property
    def group_words(self) -> int:
        """Of a pixel of the packed input, of one group."""
        return -(-(self.in_channels // self.groups) // _WORD_BITS)

    @property
    def words(self) -> int:
        """Of a window of the packed input, of one group."""
        return math.prod(self.filter_size) * self.group_words

    def group_blocks(self, line: KernelLine) -> int:
        """Blocks of a group's output channels that the kernel computes side by side."""
        return -(-(self.out_channels // self.groups) // line.numbers["channel_tile"])


def space(line: KernelLine, layer: LayerShape) -> KernelSpace | None:
    """What the kernel can do for the layer; None where it cannot compute it."""
    tiles = _w1a8(line, layer) if layer.operation == "w1a8" else _bconv2d(line, layer)
    return KernelSpace(line.name, MappingProxyType(tiles)) if tiles else None


def spaces(layer: LayerShape, names: Sequence[str]) -> tuple[KernelSpace, ...]:
    """Of the lines called ``names`` of the operation's table, those that can compute the layer."""
    found = (space(line, layer) for line in lines(layer.operation) if line.name in names)
    return tuple(one for one in found if one is not None)


def _bconv2d(line: KernelLine, layer: LayerShape) -> dict[str, Mapping[str, TileSizes]]:
    channel_tile = line.numbers["channel_tile"]
    blocks = layer.group_blocks(line)
    # A tile begins at a whole word of packed output, of one group or of all.
    spread_over_words = (
        layer.output_type == "int32" and layer.groups > 1 and layer.out_channels // layer.groups % 32 != 0
    )
    by_blocks = TileSizes(blocks if spread_over_words else min(blocks, max(1, _WORD_BITS // channel_tile)), blocks)
    if line.orders != ("rs",):
        by_pixels = TileSizes(min(line.numbers["pixel_tile"], layer.pixels), layer.pixels)
        return {order: MappingProxyType({"pixels": by_pixels, "blocks": by_blocks}) for order in line.orders}
    row_words = layer.filter_size[1] * layer.group_words
    if layer.dilation[1] != 1 or row_words > line.numbers["most_row_words"] or layer.words > line.numbers["most_words"]:
        return {}
    return {"rs": MappingProxyType({"rows": TileSizes(1, layer.out_size[0]), "blocks": by_blocks})}


def _w1a8(line: KernelLine, layer: LayerShape) -> dict[str, Mapping[str, TileSizes]]:
    if layer.depthwise:
        return {"os": MappingProxyType({"rows": TileSizes(1, 1)})}
    rows, blocks = TileSizes(1, layer.out_size[0]), TileSizes(1, layer.groups * layer.group_blocks(line))
    return {order: MappingProxyType({"rows": rows, "blocks": blocks}) for order in line.orders}
