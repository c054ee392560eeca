"""What the lines of the tables of kernels do with memory: declared once for each line, and true of every layer.

How many channels and pixels a line computes side by side stands in the table (``core/*.kernels``). What it does to
count them stands here, as its C says: in which pieces it goes through a window, what it makes of a piece first, what it
looks up. How often each of these refers to memory is what a compiler makes of the C (gcc 12, -O3): the numbers that
describe some 200 layers drawn at random for each line best, counted by cachegrind. They are the same for every layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

from edgebnn.errors import InputError
from edgebnn.kernels.tables import lines


@lru_cache
def numbers(operation: str, name: str) -> Mapping[str, int]:
    """Those of a line of an operation's table."""
    return next(line.numbers for line in lines(operation) if line.name == name)


@dataclass(frozen=True)
class BinaryLine:
    """A line of bconv2d.kernels.

    Attributes:
        name: of the line.
        pixels: that go through the same weights at a time.
        sums: bytes of sums at the top of its stack frame; what is copied lies below.
        spilled: bytes that compilers keep below that.
        references: loads and stores, by what there is one of: see :func:`.bconv2d_nest.terms`.
        rest_together: the last pixels, fewer than ``pixels``, go together too; else one by one.
        piece: words of a window that are counted in one go; 0: all.
        even_pieces: pieces are of one length where they can be, not all but the last the longest.
        copied: bytes that each word of a pixel becomes on the stack before it is counted; 0: it is read where it lies.
        side_by_side: copies of a word of all pixels stand together; else those of a pixel.
        chunk: words of a piece whose sums are kept in bytes, of one length where they can be; 0: sums are not bytes.
        looks_up: entries of a table of 16 of 16 bytes, for each cache line of weights and each pixel.
        passes: over the words of a piece, each for some channels of the block.
        apart: the weights of a pass lie together, not between those of the others.
        halves: of a block whose channels are in its first half, half the weights are read.
        spilled_inside: bytes of ``spilled`` at the top that are used for every word.
        literals: of the numbers that compilers keep beside the program, the cache lines that each group of pixels uses,
            by the type of the output.
    """

    name: str
    pixels: int
    sums: int
    spilled: int
    references: Mapping[str, float]
    rest_together: bool = True
    piece: int = 0
    even_pieces: bool = False
    copied: int = 0
    side_by_side: bool = False
    chunk: int = 0
    looks_up: int = 0
    passes: int = 1
    apart: bool = False
    halves: bool = False
    spilled_inside: int = 0
    literals: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def fields(self) -> Mapping[str, int]:
        """Of its line in the table."""
        return numbers("bconv2d", self.name)

    @property
    def channel_tile(self) -> int:
        return self.fields["channel_tile"]

    @property
    def word_bytes(self) -> int:
        """Of a block's weights, for each word of a window."""
        return self.channel_tile * self.fields["lane_bytes"]

    @property
    def copied_bytes(self) -> int:
        """On the stack, of the longest piece."""
        return self.piece * self.pixels * self.copied

    def pieces(self, words: int) -> Iterator[tuple[int, int]]:
        """(first word, words) of each piece of a window."""
        begin = 0
        while begin < words:
            left = words - begin
            length = left if not self.piece else min(left, self.piece)
            if self.even_pieces:
                length = -(-left // -(-left // self.piece))
            yield begin, length
            begin += length


DRIVER: Mapping[str, float] = MappingProxyType(
    {
        "layer": 236,
        "region": 35,
        "gather": 31,
        "span": 40,
        "span row": 41,
        "copy": 9,
        "copied": 0.7,
        "edge tap": 7.7,
        "edge copied": 1.9,
        "zero row": 22,
        "padded region": 78,
        "padded pixel": 42,
        "padded way": 53,
        "padded tap": 1.2,
    }
)
"""References of the driver of binary convolution, which is the same for all lines."""

BINARY_LINES: Mapping[str, BinaryLine] = MappingProxyType(
    {
        line.name: line
        for line in (
            BinaryLine(
                name="avx512",
                pixels=6,
                halves=True,
                sums=768,
                spilled=512,
                references=MappingProxyType(
                    {
                        **{"block": 85, "group": 10, "pixel": 16, "half word": 1, "word": 2, "word pixel": 1},
                        **{"float32": 8, "int8": 4, "packed": 5, "float32 channel": 1, "int8 channel": 2},
                        **{"packed channel": 1, "padding pointer": 8},
                    }
                ),
            ),
            BinaryLine(
                name="avx2",
                pixels=4,
                piece=63,
                even_pieces=True,
                copied=8,
                chunk=7,
                looks_up=1,
                halves=True,
                sums=1024,
                spilled=1184,
                literals=MappingProxyType({"int8": (1, 4)}),
                references=MappingProxyType(
                    {
                        **{"block": 67.3, "pixel": 19.8, "word": 14.5, "word pixel": 18.5, "4 words": 8.1},
                        **{"1 word": 0.4, "float32": 95.6, "int8": 110, "packed": 80.5, "float32 channel": 1.6},
                        **{
                            "int8 channel": 2.1,
                            "int8 rest": 4.2,
                            "packed channel": 0.4,
                            "packed rest": 24.4,
                            "padding pointer": 0.5,
                        },
                    }
                ),
            ),
            BinaryLine(
                name="sse4",
                pixels=4,
                piece=63,
                even_pieces=True,
                copied=8,
                chunk=7,
                looks_up=2,
                halves=True,
                sums=512,
                spilled=592,
                literals=MappingProxyType({"int8": (0, 1, 2, 4), "packed": (0, 1)}),
                references=MappingProxyType(
                    {
                        **{"block": 89.1, "pixel": 19.6, "chunk": 18.1, "word": 13.6, "word pixel": 16.9},
                        **{
                            "8 words": 7.5,
                            "1 word": 1.2,
                            "float32": 92.1,
                            "int8": 125.6,
                            "packed": 69.5,
                            "float32 channel": 3,
                        },
                        **{"int8 channel": 4.3, "int8 rest": 20.2, "packed channel": 0.6, "packed rest": 37.6},
                        **{"padding pointer": 18.3},
                    }
                ),
            ),
            BinaryLine(
                name="neon64",
                pixels=4,
                rest_together=False,
                piece=144,
                copied=16,
                side_by_side=True,
                passes=2,
                apart=True,
                sums=512,
                spilled=512,
                references=MappingProxyType(
                    {
                        **{
                            "block": 60,
                            "group": 40,
                            "pixel": 16,
                            "piece": 64,
                            "word": 4,
                            "word pixel": 1,
                            "8 words": 10,
                        },
                        **{"4 words": 5, "1 word": 2, "float32": 32, "int8": 10, "packed": 16, "float32 channel": 3},
                        **{"int8 channel": 3, "packed channel": 2, "padding pointer": 1},
                    }
                ),
            ),
            BinaryLine(
                name="portable",
                pixels=1,
                passes=2,
                sums=32,
                spilled=240,
                literals=MappingProxyType({"float32": (0, 1, 2), "int8": (0, 1, 2, 5), "packed": (0, 1, 2)}),
                references=MappingProxyType(
                    {
                        **{"block": 70.4, "group": 43.4, "word": 2.1, "4 words": 1.1, "1 word": 7.6, "float32": 20.2},
                        **{"float32 channel": 21.3, "int8": 6.5, "int8 channel": 35.1, "unpadded": 3.5},
                    }
                ),
            ),
        )
    }
)
"""Lines of bconv2d.kernels. Those of avx512 and neon64, which no simulator at hand counts, are read from their C."""


def binary_line(name: str) -> BinaryLine:
    """The line ``name``. Raises InputError if there is none of which this is known."""
    if name not in BINARY_LINES:
        raise InputError(f"no memory references are known of the kernel '{name}'; known: {', '.join(BINARY_LINES)}")
    return BINARY_LINES[name]


@dataclass(frozen=True)
class W1A8Line:
    """A line of w1a8.kernels.

    Attributes:
        name: of the line.
        pixels: that go through the same weights at a time; the last of a row, fewer than those, go one by one.
        frame: bytes of its stack frame.
        inside: cache lines of it, from its top, that are used for every lane.
        references: loads and stores, by what there is one of: see :func:`.w1a8_nest.terms`.
    """

    name: str
    pixels: int
    frame: int
    inside: tuple[int, ...]
    references: Mapping[str, float]

    @property
    def fields(self) -> Mapping[str, int]:
        """Of its line in the table."""
        return numbers("w1a8", self.name)

    @property
    def channel_tile(self) -> int:
        return self.fields["channel_tile"]


W1A8_DRIVER: Mapping[str, float] = MappingProxyType(
    {"layer": 103, "region": 69, "row": 28, "copied pixel": 47, "copied bytes": 1.2}
)
"""References of the driver of W1A8 convolution."""

W1A8_LINES: Mapping[str, W1A8Line] = MappingProxyType(
    {
        line.name: line
        for line in (
            W1A8Line(
                name="avx2",
                pixels=2,
                frame=960,
                inside=(6, 7, 8, 9, 10),
                references=MappingProxyType(
                    {
                        **{
                            "staged pixel": 13,
                            "staged table": 2.4,
                            "pixel": 62,
                            "stretch pixel": 17,
                            "lane pixel": 9.1,
                        },
                        **{"8 channels": 10.1, "1 channel": 17.6},
                    }
                ),
            ),
            W1A8Line(
                name="portable",
                pixels=1,
                frame=640,
                inside=(0, 2),
                references=MappingProxyType(
                    {
                        **{"staged pixel": 26, "staged table": 39.7, "block row": 151, "pixel": 128, "stretch": 4.2},
                        **{"lane": 39.8, "8 channels": 30.5, "1 channel": 3.8},
                    }
                ),
            ),
        )
    }
)
"""Lines of w1a8.kernels that were counted."""


def w1a8_line(name: str) -> W1A8Line:
    """The line ``name``. Raises InputError if there is none of which this is known."""
    if name not in W1A8_LINES:
        raise InputError(f"no memory references are known of the kernel '{name}'; known: {', '.join(W1A8_LINES)}")
    return W1A8_LINES[name]
