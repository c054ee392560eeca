"""Sign bits in 32-bit words: how binary tensors are stored in LCE model files.

32 consecutive channels share a word, channel ``c`` in bit ``c % 32`` of word ``c // 32`` (least significant bit
first). Bit 0 stands for +1 and bit 1 for -1; the bits beyond the last channel are 0. Source: the LCE model format
(larq-compute-engine 0.16).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WORD_BITS = 32


def packed_channels(channels: int) -> int:
    """Words that hold ``channels`` sign bits."""
    return -(-channels // WORD_BITS)


def pack(signs_negative: NDArray[np.bool_]) -> NDArray[np.int32]:
    """bool [..., C], True for -1 -> int32 [..., ceil(C / 32)]."""
    bits = np.asarray(signs_negative, dtype=np.bool_)
    channels = bits.shape[-1]
    padding = packed_channels(channels) * WORD_BITS - channels
    if padding:
        bits = np.concatenate([bits, np.zeros((*bits.shape[:-1], padding), np.bool_)], axis=-1)
    octets = np.packbits(np.ascontiguousarray(bits), axis=-1, bitorder="little")
    return octets.view("<i4").astype(np.int32, copy=False)


def unpack(words: NDArray[np.int32], channels: int) -> NDArray[np.bool_]:
    """int32 [..., W] -> bool [..., channels], True for -1; ``channels`` is at most 32 W."""
    if channels > words.shape[-1] * WORD_BITS:
        raise ValueError(f"{words.shape[-1]} words hold {words.shape[-1] * WORD_BITS} channels, not {channels}")
    octets = np.ascontiguousarray(words, dtype="<i4").view(np.uint8)
    return np.unpackbits(octets, axis=-1, count=channels, bitorder="little").view(np.bool_)
