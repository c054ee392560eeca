/* From sums to outputs with AVX2, for the kernels of W1A8 convolution that have no wider vectors. */
#ifndef EDGEBNN_W1A8_AVX2_OUTPUT_H
#define EDGEBNN_W1A8_AVX2_OUTPUT_H

#include <immintrin.h>

#include "../core/w1a8_block.h"

EB_INLINE __m256i eb_w1a8_avx2_load(const int32_t *values) {
  return _mm256_loadu_si256((const __m256i *)(const void *)values);
}

EB_INLINE __m256i eb_w1a8_avx2_round_twice(__m256i sum, __m256i multiplier, __m256i left, __m256i right) {
  const __m256i shifted = _mm256_sllv_epi32(sum, left), nudge = _mm256_set1_epi64x(1 << 30);
  const __m256i even = _mm256_mul_epi32(shifted, multiplier);
  const __m256i odd = _mm256_mul_epi32(_mm256_srli_epi64(shifted, 32), _mm256_srli_epi64(multiplier, 32));
  const __m256i low = _mm256_srli_epi64(_mm256_add_epi64(even, nudge), 31);
  const __m256i high = _mm256_blend_epi32(low, _mm256_slli_epi64(_mm256_add_epi64(odd, nudge), 1), 0xAA);
  const __m256i one = _mm256_set1_epi32(1);
  const __m256i mask = _mm256_sub_epi32(_mm256_sllv_epi32(one, right), one);
  const __m256i threshold = _mm256_add_epi32(_mm256_srli_epi32(mask, 1), _mm256_srli_epi32(high, 31));
  const __m256i up = _mm256_cmpgt_epi32(_mm256_and_si256(high, mask), threshold);
  return _mm256_sub_epi32(_mm256_srav_epi32(high, right), up);
}

/* By floats (float_output.h): the outputs of eight channels from `c` on, not bounded yet. beyond: the least distances from where
 * an output is in doubt, which it lowers. */
EB_INLINE __m256i eb_w1a8_avx2_floats(const eb_w1a8_transform *t, int32_t c, __m256i sums, __m256 *beyond) {
  const __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_loadu_ps(t->scale + c));
  const __m256 u = _mm256_add_ps(product, _mm256_loadu_ps(t->offset + c)), whole = _mm256_floor_ps(u);
  *beyond = _mm256_min_ps(*beyond, _mm256_sub_ps(u, whole));
  return _mm256_cvtps_epi32(whole);
}

EB_INLINE int eb_w1a8_avx2_in_doubt(const eb_w1a8_transform *t, __m256 beyond) {
  return _mm256_movemask_ps(_mm256_cmp_ps(beyond, _mm256_set1_ps(t->guard), _CMP_LT_OQ)) != 0;
}

/* Outputs of eight channels, all of them there, rounded twice. */
EB_INLINE void eb_w1a8_avx2_write_eight(const eb_w1a8_transform *t, int32_t c, __m256i x, int8_t *output) {
  const __m256i scaled = _mm256_mullo_epi32(x, eb_w1a8_avx2_load(t->magnitude + c));
  const __m256i sum = _mm256_add_epi32(scaled, eb_w1a8_avx2_load(t->bias + c));
  __m256i y = eb_w1a8_avx2_round_twice(sum, eb_w1a8_avx2_load(t->multiplier + c), eb_w1a8_avx2_load(t->left + c),
                                       eb_w1a8_avx2_load(t->right + c));
  y = _mm256_max_epi32(y, _mm256_set1_epi32(t->min - t->zero_point));
  y = _mm256_min_epi32(y, _mm256_set1_epi32(t->max - t->zero_point));
  y = _mm256_add_epi32(y, _mm256_set1_epi32(t->zero_point));
  const __m128i narrow = _mm_packs_epi32(_mm256_castsi256_si128(y), _mm256_extracti128_si256(y, 1));
  _mm_storel_epi64((__m128i *)(void *)(output + c), _mm_packs_epi16(narrow, narrow));
}

/* `count` channels from `first` on of one pixel, whose output of that channel is the first. */
EB_INLINE void eb_w1a8_avx2_write(const eb_w1a8_transform *t, int32_t first, int32_t count, const int32_t *sums,
                                 int8_t *output) {
  int32_t c = 0;
  if (t->rounding == EB_ROUND_TWICE) {
    for (; c + 8 <= count; c += 8) eb_w1a8_avx2_write_eight(t, first + c, eb_w1a8_avx2_load(sums + c), output - first);
  }
  for (; c < count; c++) output[c] = eb_w1a8_output(t, first + c, sums[c]);
}

#endif
