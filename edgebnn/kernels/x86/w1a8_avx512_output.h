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

/* What scales narrow sums of the channels from `first` on. With s + 2^30 >= 0 for the sum and twice the multiplier, both
 * below 2^32, high = (s * multiplier + 2^30) >> 31 is the upper half of (s + 2^30) * (2 * multiplier) + offset, with
 * offset = 2^31 - 2^30 * (2 * multiplier). */
typedef struct eb_w1a8_avx512_scale {
  __m512i multiplier, odd_multiplier, offset, odd_offset, right, nudge;
} eb_w1a8_avx512_scale;

EB_INLINE __m512i eb_w1a8_avx512_offset(__m512i twice) {
  const __m512i high = _mm512_slli_epi64(_mm512_and_si512(twice, _mm512_set1_epi64(0xFFFFFFFF)), EB_NARROW_BITS);
  return _mm512_sub_epi64(_mm512_set1_epi64(1ll << 31), high);
}

EB_INLINE eb_w1a8_avx512_scale eb_w1a8_avx512_scale_of(const eb_w1a8_transform *t, int32_t first) {
  eb_w1a8_avx512_scale s;
  s.multiplier = _mm512_slli_epi32(_mm512_loadu_si512(t->multiplier + first), 1);
  s.odd_multiplier = _mm512_srli_epi64(s.multiplier, 32);
  s.offset = eb_w1a8_avx512_offset(s.multiplier);
  s.odd_offset = eb_w1a8_avx512_offset(s.odd_multiplier);
  s.right = _mm512_loadu_si512(t->right + first);
  s.nudge = _mm512_sllv_epi32(_mm512_set1_epi32(2 * t->zero_point + 1), _mm512_sub_epi32(s.right, _mm512_set1_epi32(1)));
  return s;
}

/* Outputs of narrow sums (eb_w1a8_is_narrow), to which 2^30 was added; with the zero point. */
EB_INLINE __m512i eb_w1a8_avx512_round_narrow(const int32_t *sums, const eb_w1a8_avx512_scale *s) {
  const __m512i x = _mm512_load_si512(sums);
  const __m512i upper = _mm512_setr_epi32(1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
  const __m512i even = _mm512_add_epi64(_mm512_mul_epu32(x, s->multiplier), s->offset);
  const __m512i odd = _mm512_add_epi64(_mm512_mul_epu32(_mm512_srli_epi64(x, 32), s->odd_multiplier), s->odd_offset);
  const __m512i high = _mm512_permutex2var_epi32(even, upper, odd);
  const __m512i away = _mm512_add_epi32(_mm512_srai_epi32(high, 31), s->nudge);
  return _mm512_srav_epi32(_mm512_add_epi32(high, away), s->right);
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

#endif
