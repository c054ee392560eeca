"""1-bit weights in the orders in which the kernels for microcontrollers read them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WORD_BYTES = 4
VECTOR_BYTES = 16
GROUPS = 8
"""Groups of four inputs, a word each, that a word of weights is for."""


def _grouped(minus: NDArray[np.bool_], groups: int) -> NDArray[np.uint32]:
    """[F, n] -> [F, words, groups, 4] with ``groups`` in whole words in front: what is missing comes first, as 0."""
    filters, count = minus.shape
    used = -(-count // WORD_BYTES)
    words = -(-used // groups)
    bits = np.zeros((filters, words * groups, WORD_BYTES), np.uint32)
    whole = np.zeros((filters, used * WORD_BYTES), np.uint32)
    whole[:, :count] = minus
    bits[:, words * groups - used :] = whole.reshape(filters, used, WORD_BYTES)
    return bits.reshape(filters, words, groups, WORD_BYTES)


def bytes_by_shift(minus: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """[F, n] -> [F, words]: bit 8 * lane + k of a word is the sign of input 4 * k + lane of its 32.

    The first word holds what is left over by 32, in its last groups, so that a kernel enters its loop in the middle.
    """
    shift = np.arange(GROUPS, dtype=np.uint32)[:, None] + 8 * np.arange(WORD_BYTES, dtype=np.uint32)
    shifted = (_grouped(minus, GROUPS) << shift).reshape(len(minus), -1, 32)
    return np.asarray(np.bitwise_or.reduce(shifted, axis=-1))


def signs_by_filter(minus: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """[F, n] -> [words, F]: bit i of a word is the sign of input i of its 32; the first as above."""
    shift = np.arange(32, dtype=np.uint32)
    shifted = _grouped(minus, GROUPS).reshape(len(minus), -1, 32) << shift
    return np.ascontiguousarray(np.bitwise_or.reduce(shifted, axis=-1).T)


def signs_by_vector(minus: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """[F, n] -> [F, words]: bit i of a half word is the sign of input i of its 16; a filter has whole words."""
    filters, count = minus.shape
    words = -(-count // (2 * VECTOR_BYTES))
    bits = np.zeros((filters, words, 32), np.uint32)
    bits.reshape(filters, -1)[:, :count] = minus
    return np.asarray(np.bitwise_or.reduce(bits << np.arange(32, dtype=np.uint32), axis=-1))


def taps_by_shift(minus: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """[C, taps] -> [C / 4, words]: bit 8 * lane + k of a word is the sign of channel 4 * q + lane in tap k of its 8."""
    channels, taps = minus.shape
    words = -(-taps // GROUPS)
    bits = np.zeros((channels, words * GROUPS), np.uint32)
    bits[:, :taps] = minus
    by_word = bits.reshape(channels // WORD_BYTES, WORD_BYTES, words, GROUPS)
    shift = 8 * np.arange(WORD_BYTES, dtype=np.uint32)[:, None, None] + np.arange(GROUPS, dtype=np.uint32)
    return np.asarray(np.bitwise_or.reduce(np.bitwise_or.reduce(by_word << shift, axis=3), axis=1))
