"""The loop nest of binary convolution (``kernels/host/bconv2d_run.c``), and how often it does what refers to memory.

A tile of work is some output pixels by some blocks of output channels. The windows of its pixels are gathered into
scratch memory, unless they lie ready in the input; then each block's weights pass by the windows, some pixels at a
time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .kernel_lines import BinaryLine
from .touches import Placement, align, placed
from .workload import OUTPUTS, C, E, F, G, M, N, R, S, Workload

WORD = 4


class Tiles(NamedTuple):
    """As the driver cuts a layer, with the sizes rounded as it rounds them; groups: that one tile of work covers."""

    pixels: int
    blocks: int
    groups: int


class Region(NamedTuple):
    """What is computed at a time: pixels by blocks of a group. gathers: the windows have to be gathered first."""

    first: int
    end: int
    group: int
    block: int
    block_end: int
    gathers: bool


class Taps(NamedTuple):
    """Where windows lie: rows and columns of their taps, [pixels, R] and [pixels, S]; which are inside, [.., R, S]."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    inside: NDArray[np.bool_]


@dataclass(frozen=True)
class BinaryNest:
    """A layer under a schedule.

    Attributes:
        layer: of binary operands.
        line: of the table of kernels.
        dataflow: "os" (all blocks of some pixels before the next pixels) or "ws" (all pixels of some blocks first).
        sizes: of the tiles "pixels" and "blocks".
        zero_padding: padding is with zeros, which is taken back from what was computed as if it were ones.
    """

    layer: Workload
    line: BinaryLine
    dataflow: str
    sizes: Mapping[str, int]
    zero_padding: bool = False

    @property
    def words(self) -> int:
        """Of a window."""
        bounds = self.layer.bounds
        return bounds[C] * bounds[R] * bounds[S]

    @property
    def pixels(self) -> int:
        return self.layer.bounds[N] * self.layer.bounds[E] * self.layer.bounds[F]

    @property
    def channels(self) -> int:
        """Of the output, of all groups."""
        return self.layer.bounds[G] * self.layer.bounds[M]

    @property
    def group_blocks(self) -> int:
        return -(-self.layer.bounds[M] // self.line.channel_tile)

    @property
    def block_bytes(self) -> int:
        return align(self.words * self.line.word_bytes)

    @property
    def weight_bytes(self) -> int:
        """Of all blocks; constants follow."""
        return self.block_bytes * self.group_blocks * self.layer.bounds[G]

    @property
    def output(self) -> str:
        """Its type: float32, int8 or packed."""
        bits = self.layer.bits[OUTPUTS]
        return "float32" if bits > 8 else "int8" if bits == 8 else "packed"

    @property
    def output_pixel(self) -> int:
        """Bytes of a pixel of output."""
        return {"float32": 4 * self.channels, "int8": self.channels}.get(self.output, -(-self.channels // 32) * WORD)

    @property
    def in_place(self) -> bool:
        """Windows lie in the input as the kernel wants them."""
        bounds = self.layer.bounds
        return bounds[G] * bounds[R] * bounds[S] == 1 and self.layer.stride == (1, 1)

    @property
    def together(self) -> bool:
        """The taps of a row of the filter lie side by side in the input."""
        return self.layer.bounds[G] == 1 and self.layer.dilation[1] == 1

    @property
    def tiles(self) -> Tiles:
        pixels = _whole(self.sizes["pixels"], self.line.fields["pixel_tile"], self.pixels)
        blocks = _whole(self.sizes["blocks"], max(1, 32 // self.line.channel_tile), self.group_blocks)
        if self.output == "packed" and self.layer.bounds[G] > 1 and self.layer.bounds[M] % 32:
            return Tiles(pixels, self.group_blocks, self.layer.bounds[G])
        return Tiles(pixels, blocks, 1)

    def regions(self) -> Iterator[Region]:
        """In the order in which they are computed."""
        tiles, groups = self.tiles, self.layer.bounds[G]
        pixels = [(p, min(self.pixels, p + tiles.pixels)) for p in range(0, self.pixels, tiles.pixels)]
        chunks = [
            (group, block, min(self.group_blocks, block + tiles.blocks))
            for group in range(0, groups, tiles.groups)
            for block in range(0, self.group_blocks, tiles.blocks)
        ]
        os = self.dataflow == "os"
        work = [(p, c) for p in pixels for c in chunks] if os else [(p, c) for c in chunks for p in pixels]
        gathered = None
        for (first, end), (group, block, block_end) in work:
            for at in range(group, group + tiles.groups):
                yield Region(first, end, at, block, block_end, gathers=not self.in_place and gathered != (first, at))
                gathered = (first, at)

    def taps(self, first: int, end: int) -> Taps:
        """Of the windows of the pixels ``first`` to ``end``."""
        layer, pixel = self.layer, np.arange(first, end)
        bounds = layer.bounds
        place = (pixel // bounds[F] % bounds[E], pixel % bounds[F])
        rows, columns = (
            (place[axis] * layer.stride[axis] - layer.before[axis])[:, None] + np.arange(taps) * layer.dilation[axis]
            for axis, taps in enumerate(bounds[R : S + 1])
        )
        height, width = layer.in_size
        inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
        return Taps(rows, columns, inside)

    def padded_ways(self, first: int, end: int) -> int:
        """In how many ways the windows of these pixels lie in the padding: each has a row of what is taken back."""
        inside = self.taps(first, end).inside.reshape(end - first, -1)
        return len(np.unique(inside[~inside.all(axis=1)], axis=0))

    def groups_of(self, pixels: int) -> Iterator[tuple[int, int, int]]:
        """(first pixel, groups, pixels of each) as the kernel takes them."""
        each = self.line.pixels
        whole, rest = divmod(pixels, each)
        if whole:
            yield 0, whole, each
        if rest:
            yield (whole * each, 1, rest) if self.line.rest_together else (whole * each, rest, 1)

    def placement(self) -> Placement:
        """Where the arrays lie if nothing else is known."""
        bounds, (height, width) = self.layer.bounds, self.layer.in_size
        taps = bounds[R] * bounds[S] * self.channels * WORD if self.zero_padding else 0
        persistent = self.weight_bytes + align(2 * WORD * self.channels) + align(taps)
        inputs = bounds[N] * height * width * bounds[G] * bounds[C] * WORD
        return placed(persistent, inputs, self.pixels * self.output_pixel)


def _whole(size: int, multiple: int, there_are: int) -> int:
    return min(-(-size // multiple) * multiple, there_are)


def terms(nest: BinaryNest) -> Counter[str]:
    """How often a layer does what refers to memory, by what it is.

    Of the driver: "layer", "region", "gather", "span" (a row of output in a gathered region), "span row" (a row of the
    filter in it), "copy" (of words side by side), "copied" (its loads and stores), "edge tap" and "edge copied" (in
    windows that reach beyond the sides), "zero row" (of a window, beyond the top or bottom). Where padding is with
    zeros: "padded region", "padded pixel" (its window reaches beyond the image), "padding pointer" (pixel and block),
    "padded way" (a block), "padded tap" (summed for a channel), "unpadded" (an output of such a pixel).
    Of the kernel: "block" (of a region), "group" (of pixels), "pixel", "piece" (of a window, for a group), "chunk" (of
    a piece), "word" and "word pixel" (for each pass over a window's words), "half word" in place of "word" where half
    the weights are read; "8 words", "4 words", "1 word", as which a pixel's pieces are gone through; and outputs:
    "float32", "int8", "packed" for a pixel of a full block, in others "float32 rest" for a pixel and "float32 channel"
    for each of its outputs, ...
    """
    found = Counter({"layer": 1})
    gathers: Counter[tuple[int, int]] = Counter()
    blocks: Counter[tuple[int, int, int]] = Counter()
    for region in nest.regions():
        found["region"] += 1
        blocks[region.end - region.first, region.block, region.block_end] += 1
        gathers[region.first, region.end] += region.gathers
        if nest.zero_padding:
            found += _padding_terms(nest, region)
    for (first, end), count in gathers.items():
        if count:
            found += _times(_gather_terms(nest, first, end), count)
    for (pixels, block, block_end), count in blocks.items():
        for index in range(block, block_end):
            channels = min(nest.line.channel_tile, nest.layer.bounds[M] - index * nest.line.channel_tile)
            found += _times(_block_terms(nest, pixels, channels), count)
    return found


def _times(terms: Counter[str], count: int) -> Counter[str]:
    return Counter({name: number * count for name, number in terms.items()})


def _gather_terms(nest: BinaryNest, first: int, end: int) -> Counter[str]:
    bounds, inside = nest.layer.bounds, nest.taps(first, end).inside
    spans = (end - 1) // bounds[F] - first // bounds[F] + 1
    row_hits = inside.any(axis=2)  # [pixels, R]
    inner = inside.all(axis=2) & row_hits
    copies = int(inner.sum()) * (1 if nest.together else bounds[S])
    words = bounds[C] * (bounds[S] if nest.together else 1)
    # A window that misses the image at the side has no tap inside, though its row may lie within: few do.
    zero_rows = int((~row_hits).sum())
    edge = row_hits & ~inner
    return Counter(
        {
            "gather": 1,
            "span": spans,
            "span row": spans * bounds[R],
            "copy": copies,
            "copied": copies * _moves(words),
            "edge tap": int(edge.sum()) * bounds[S],
            "edge copied": int(inside[edge].sum()) * _moves(bounds[C]),
            "zero row": zero_rows,
        }
    )


def _moves(words: int) -> int:
    """Loads and stores of copy_words (kernels/host/bconv2d_gather.c): from both ends, 16 bytes at a time; beyond 16
    words by memcpy, which takes 32 bytes."""
    if words <= 8:
        return 4
    return 8 if words <= 16 else 2 * -(-words // 8)


def _padding_terms(nest: BinaryNest, region: Region) -> Counter[str]:
    ways = nest.padded_ways(region.first, region.end)
    inside = nest.taps(region.first, region.end).inside.reshape(region.end - region.first, -1)
    padded = int((~inside.all(axis=1)).sum())
    channels = sum(
        min(nest.line.channel_tile, nest.layer.bounds[M] - block * nest.line.channel_tile)
        for block in range(region.block, region.block_end)
    )
    outside = np.unique(inside[~inside.all(axis=1)], axis=0)
    return Counter(
        {
            "padded region": 1,
            "padded pixel": padded,
            "padding pointer": (region.end - region.first) * (region.block_end - region.block),
            "padded way": ways * (region.block_end - region.block),
            "padded tap": int((~outside).sum()) * channels,
            "unpadded": padded * channels,
        }
    )


def _block_terms(nest: BinaryNest, pixels: int, channels: int) -> Counter[str]:
    line, words = nest.line, nest.words
    narrow = line.halves and channels <= line.channel_tile // 2
    share = -(-channels * line.passes // line.channel_tile)  # of the passes
    lengths = [length for _, length in line.pieces(words)]
    found = Counter({"block": 1, "pixel": pixels})
    for _, groups, each in nest.groups_of(pixels):
        found["group"] += groups
        found["half word" if narrow and each == line.pixels else "word"] += groups * words * share
        found["word pixel"] += groups * each * words * share
        found["piece"] += groups * len(lengths)
        found["chunk"] += groups * sum(-(-length // line.chunk) for length in lengths if line.chunk)
        for length in lengths:
            found["8 words"] += groups * each * (length // 8)
            found["4 words"] += groups * each * (length % 8 // 4)
            found["1 word"] += groups * each * (length % 4)
    if channels == line.channel_tile:
        found[nest.output] += pixels
    else:
        found[f"{nest.output} channel"] += pixels * channels
        found[f"{nest.output} rest"] += pixels
    return found
