/* From sums to outputs with AVX-512, 16 channels at a time. */
#ifndef EDGEBNN_W1A8_AVX512_OUTPUT_H
#define EDGEBNN_W1A8_AVX512_OUTPUT_H

#include "../core/w1a8_block.h"
#include "requantize_avx512.h"

enum { EB_W1A8_AVX512_CHANNELS = 16 };

EB_INLINE __m256i eb_w1a8_avx512_round_once(__m256i sum, const double *factor) {
  const __m512d limit = _mm512_set1_pd(2e9), half = _mm512_set1_pd(0.5), one = _mm512_set1_pd(1.0);
  __m512d x = _mm512_mul_pd(_mm512_cvtepi32_pd(sum), _mm512_loadu_pd(factor));
  x = _mm512_max_pd(_mm512_min_pd(x, limit), _mm512_sub_pd(_mm512_setzero_pd(), limit));
  __m512d whole = _mm512_roundscale_pd(x, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
  const __m512d rest = _mm512_sub_pd(x, whole);
  whole = _mm512_mask_add_pd(whole, _mm512_cmp_pd_mask(rest, half, _CMP_GE_OQ), whole, one);
  const __m512d minus_half = _mm512_sub_pd(_mm512_setzero_pd(), half);
  whole = _mm512_mask_sub_pd(whole, _mm512_cmp_pd_mask(rest, minus_half, _CMP_LE_OQ), whole, one);
  return _mm512_cvttpd_epi32(whole);
}

/* The outputs, not bounded yet, of sums with magnitude and bias. */
EB_INLINE __m512i eb_w1a8_avx512_round(const eb_w1a8_transform *t, int32_t first, __m512i sum) {
  __m512i y;
  if (t->rounding == EB_ROUND_TWICE) {
    y = eb_avx512_round_twice(sum, _mm512_loadu_si512(t->multiplier + first),
                              _mm512_loadu_si512(t->left + first), _mm512_loadu_si512(t->right + first));
  } else {
    const __m256i low = eb_w1a8_avx512_round_once(_mm512_castsi512_si256(sum), t->factor + first);
    const __m256i high = eb_w1a8_avx512_round_once(_mm512_extracti64x4_epi64(sum, 1), t->factor + first + 8);
    y = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
  }
  y = _mm512_max_epi32(y, _mm512_set1_epi32(t->min - t->zero_point));
  y = _mm512_min_epi32(y, _mm512_set1_epi32(t->max - t->zero_point));
  return _mm512_add_epi32(y, _mm512_set1_epi32(t->zero_point));
}

/* Of `count` channels, at most 16. */
EB_INLINE __mmask16 eb_w1a8_avx512_mask(int32_t count) {
  return count >= EB_W1A8_AVX512_CHANNELS ? 0xFFFF : (__mmask16)((1u << count) - 1);
}

/* Writes the outputs of one pixel's channels from `first` on, of which `left` are there; output: of the first. */
EB_INLINE void eb_w1a8_avx512_write(const eb_w1a8_transform *t, int32_t first, int32_t left, __m512i x, int8_t *output) {
  if (left <= 0) return;
  const __m512i scaled = _mm512_mullo_epi32(x, _mm512_loadu_si512(t->magnitude + first));
  const __m512i sum = _mm512_add_epi32(scaled, _mm512_loadu_si512(t->bias + first));
  _mm512_mask_cvtepi32_storeu_epi8(output, eb_w1a8_avx512_mask(left), eb_w1a8_avx512_round(t, first, sum));
}

EB_INLINE void eb_w1a8_avx512_write_channels(const eb_w1a8_transform *t, int32_t first, int32_t count,
                                             const int32_t *sums, int8_t *output) {
  for (int32_t c = 0; c < count; c += EB_W1A8_AVX512_CHANNELS) {
    eb_w1a8_avx512_write(t, first + c, count - c, _mm512_loadu_si512(sums + c), output + c);
  }
}

/* By floats (float_output.h): the outputs of 16 channels from `c` on, not bounded yet. beyond: the least distances from where an
 * output is in doubt, which it lowers. */
EB_INLINE __m512i eb_w1a8_avx512_floats(const eb_w1a8_transform *t, int32_t c, __m512i sums, __m512 *beyond) {
  const __m512 scale = _mm512_loadu_ps(t->scale + c), offset = _mm512_loadu_ps(t->offset + c);
  const __m512 u = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), scale, offset);
  *beyond = _mm512_min_ps(*beyond, _mm512_reduce_ps(u, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC));
  return _mm512_cvt_roundps_epi32(u, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}

/* 64 outputs by floats, of four times 16 sums; from: the first channel of each. Whether none is in doubt. */
EB_INLINE int eb_w1a8_avx512_round_64(const eb_w1a8_transform *t, const __m512i *sums, const int32_t *from,
                                      __m512i *outputs) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  __m512 beyond = _mm512_set1_ps(1.0f);
  __m512i y[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) y[i] = eb_w1a8_avx512_floats(t, from[i], sums[i], &beyond);
  const __m512i words[2] = {_mm512_packs_epi32(y[0], y[1]), _mm512_packs_epi32(y[2], y[3])};
  const __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(words[0], words[1]));
  const __m512i above = _mm512_max_epi8(bytes, _mm512_set1_epi8((char)t->min));
  *outputs = _mm512_min_epi8(above, _mm512_set1_epi8((char)t->max));
  return _mm512_cmp_ps_mask(beyond, _mm512_set1_ps(t->guard), _CMP_LT_OQ) == 0;
}

#endif
