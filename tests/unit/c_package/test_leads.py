"""Leads against the definition: a kernel that reads windows in order and writes behind itself, byte by byte."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from edgebnn.converters.c_package.leads import elementwise, sliding
from edgebnn.graph.ops.windows import Window


@st.composite
def windows(draw: st.DrawFn) -> tuple[Window, tuple[int, int]]:
    size = (draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    span = [draw(st.integers(1, 3)) for _ in range(2)]
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    before = [draw(st.integers(0, s - 1)) for s in span]
    after = [draw(st.integers(0, s - 1)) for s in span]
    outputs = [(size[i] + before[i] + after[i] - span[i]) // stride[i] + 1 for i in range(2)]
    outputs = [max(1, n) for n in outputs]
    return (
        Window((span[0], span[1]), stride, (1, 1), (before[0], before[1]), (after[0], after[1]), tuple(outputs)),
        size,
    )


def overwrites(window: Window, size: tuple[int, int], pixel_in: int, pixel_out: int, block: int, lead: int) -> bool:
    """Whether a window finds a byte overwritten, the output starting ``lead`` bytes before the input."""
    written = 0  # bytes of output
    pixels = [(y, x) for y in range(window.output[0]) for x in range(window.output[1])]
    taps = [(y, x) for y in range(window.filter[0]) for x in range(window.filter[1])]
    for start in range(0, len(pixels), block):
        for (y, x), (fy, fx) in product(pixels[start : start + block], taps):
            row, column = y * window.stride[0] - window.before[0] + fy, x * window.stride[1] - window.before[1] + fx
            inside = 0 <= row < size[0] and 0 <= column < size[1]
            if inside and lead + (row * size[1] + column) * pixel_in < written:
                return True
        written += len(pixels[start : start + block]) * pixel_out
    return False


@given(windows(), st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))
def test_trailing_by_the_lead_overwrites_nothing(
    case: tuple[Window, tuple[int, int]], pixel_in: int, pixel_out: int, block: int
) -> None:
    window, size = case
    lead = sliding(window, 1, size, pixel_in, pixel_out)
    assert not overwrites(window, size, pixel_in, pixel_out, block, lead)


def test_the_lead_of_a_3x3_layer_is_a_row_and_two_pixels() -> None:
    same = Window((3, 3), (1, 1), (1, 1), (1, 1), (1, 1), (8, 8))
    assert sliding(same, 1, (8, 8), 4, 4) <= (8 + 2) * 4
    assert overwrites(same, (8, 8), 4, 4, 1, sliding(same, 1, (8, 8), 4, 4) - 4)


def test_a_wider_output_must_start_earlier() -> None:
    assert elementwise(20, 20) == 0
    assert elementwise(20, 80) == 60
