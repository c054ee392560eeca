"""The portable kernels' speed, beside LCE's: paired, in processor time, so that other processes hardly matter."""

from __future__ import annotations

import pytest

from tools.bench.bconv2d_vs_lce import SHAPES, compare, machine_class

# Measured: 8 to 12 times on class B, where LCE makes 13 to 15 GMAC/s. On class A LCE makes about 20.
BAR = 5.0 if machine_class().startswith("B") else 3.5


@pytest.mark.parametrize(("size", "channels"), SHAPES)
def test_portable_kernels_are_several_times_as_fast_as_lce(size: int, channels: int) -> None:
    result = compare(size, channels, repeats=8, kernels="portable")
    assert result.ratio >= BAR, result
