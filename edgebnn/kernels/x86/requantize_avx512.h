/* From int32 sums to steps of an int8 output with AVX-512, as eb_w1a8_round_twice. */
#ifndef EDGEBNN_REQUANTIZE_AVX512_H
#define EDGEBNN_REQUANTIZE_AVX512_H

#include <immintrin.h>

#include "../core/bconv2d_block.h"

EB_INLINE __m512i eb_avx512_round_twice(__m512i sum, __m512i multiplier, __m512i left, __m512i right) {
  const __m512i shifted = _mm512_sllv_epi32(sum, left), nudge = _mm512_set1_epi64(1 << 30);
  const __m512i even = _mm512_mul_epi32(shifted, multiplier);
  const __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(shifted, 32), _mm512_srli_epi64(multiplier, 32));
  const __m512i low = _mm512_srli_epi64(_mm512_add_epi64(even, nudge), 31);
  const __m512i high = _mm512_mask_blend_epi32(0xAAAA, low, _mm512_slli_epi64(_mm512_add_epi64(odd, nudge), 1));
  const __m512i one = _mm512_set1_epi32(1);
  const __m512i mask = _mm512_sub_epi32(_mm512_sllv_epi32(one, right), one);
  const __m512i threshold = _mm512_add_epi32(_mm512_srli_epi32(mask, 1), _mm512_srli_epi32(high, 31));
  const __mmask16 up = _mm512_cmpgt_epi32_mask(_mm512_and_si512(high, mask), threshold);
  const __m512i down = _mm512_srav_epi32(high, right);
  return _mm512_mask_add_epi32(down, up, down, one);
}

#endif
