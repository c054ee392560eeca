/* Weights of W1A8 convolution expanded with AVX2, for kernels that multiply blocks of 16 channels, four inputs a table. */
#ifndef EDGEBNN_W1A8_SIGNS_H
#define EDGEBNN_W1A8_SIGNS_H

#include <immintrin.h>

#include "../core/w1a8_block.h"

EB_INLINE void eb_w1a8_store_signs(__m256i signs, __m256i bits, __m256i *weights) {
  const __m256i minus = _mm256_cmpeq_epi8(_mm256_and_si256(signs, bits), bits);
  _mm256_store_si256(weights, _mm256_or_si256(minus, _mm256_set1_epi8(1)));
}

/* Bytes of +1 and -1, [tables][16 channels][4 inputs], two tables for each lane; of `count` lanes of 16 channels. */
EB_INLINE void eb_w1a8_expand_16(const void *lanes, size_t count, void *weights) {
  const __m128i *from = lanes;
  __m256i *to = weights;
  const __m256i bits = _mm256_set1_epi32(0x08040201), high_bits = _mm256_slli_epi16(bits, 4);
  const int next = 0x01010101; /* four times the same channel */
  const __m256i first = _mm256_setr_epi32(0, next, 2 * next, 3 * next, 4 * next, 5 * next, 6 * next, 7 * next);
  const __m256i second = _mm256_add_epi8(first, _mm256_set1_epi8(8));
  for (size_t i = 0; i < count; i++, to += 4) {
    const __m256i lane = _mm256_broadcastsi128_si256(_mm_load_si128(from + i));
    const __m256i low = _mm256_shuffle_epi8(lane, first), high = _mm256_shuffle_epi8(lane, second);
    eb_w1a8_store_signs(low, bits, to);
    eb_w1a8_store_signs(high, bits, to + 1);
    eb_w1a8_store_signs(low, high_bits, to + 2);
    eb_w1a8_store_signs(high, high_bits, to + 3);
  }
}

#endif
