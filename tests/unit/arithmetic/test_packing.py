"""Sign bits in words, against their definition bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgebnn.arithmetic.packing import pack, packed_channels, unpack

BITS = hnp.arrays(np.bool_, st.tuples(st.integers(0, 3), st.integers(1, 100)))


def test_channel_c_is_bit_c_modulo_32_of_word_c_divided_by_32() -> None:
    for channel in range(70):
        negative = np.zeros(70, np.bool_)
        negative[channel] = True
        expected = np.zeros(3, np.uint32)
        expected[channel // 32] = 1 << (channel % 32)
        np.testing.assert_array_equal(pack(negative).view(np.uint32), expected)


@given(BITS)
def test_packing_loses_nothing_and_leaves_tail_bits_zero(negative: np.ndarray) -> None:
    words = pack(negative)
    channels = negative.shape[-1]
    assert words.dtype == np.int32
    assert words.shape == (*negative.shape[:-1], packed_channels(channels))
    np.testing.assert_array_equal(unpack(words, channels), negative)
    assert not unpack(words, words.shape[-1] * 32)[..., channels:].any()


def test_non_contiguous_arrays_pack_alike() -> None:
    negative = np.random.default_rng(0).integers(0, 2, (40, 5, 4)).astype(np.bool_)
    np.testing.assert_array_equal(pack(negative.transpose(2, 1, 0)), pack(negative.transpose(2, 1, 0).copy()))


def test_more_channels_than_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="2 words hold 64 channels, not 65"):
        unpack(np.zeros(2, np.int32), 65)
