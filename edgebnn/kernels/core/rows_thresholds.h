/* Signs against a threshold of each channel: 32 comparisons become a word. Of rows_block.h. */
#ifndef EDGEBNN_ROWS_THRESHOLDS_H
#define EDGEBNN_ROWS_THRESHOLDS_H

#include "numbers.h"
#include "rows_block.h"
#include "thresholds.h"

#if defined(__AVX512F__)
#include <immintrin.h>

EB_ROWS_INLINE uint32_t eb_below_sixteen(const eb_thresholds *t, const float *x, int32_t c) {
  const __m512i kept = _mm512_and_si512(_mm512_loadu_si512(x), _mm512_loadu_si512(t->keep + c));
  const __m512i seen = _mm512_xor_si512(kept, _mm512_loadu_si512(t->flip + c));
  return _mm512_cmp_ps_mask(_mm512_castsi512_ps(seen), _mm512_loadu_ps(t->limit + c), _CMP_LT_OQ);
}

EB_ROWS_INLINE uint32_t eb_below_word(const eb_thresholds *t, const float *x, int32_t c) {
  return eb_below_sixteen(t, x, c) | eb_below_sixteen(t, x + 16, c + 16) << 16;
}

#elif defined(__AVX2__)
#include <immintrin.h>

EB_ROWS_INLINE uint32_t eb_below_eight(const eb_thresholds *t, const float *x, int32_t c) {
  const __m256 kept = _mm256_and_ps(_mm256_loadu_ps(x), _mm256_loadu_ps((const float *)(const void *)(t->keep + c)));
  const __m256 seen = _mm256_xor_ps(kept, _mm256_loadu_ps((const float *)(const void *)(t->flip + c)));
  return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(seen, _mm256_loadu_ps(t->limit + c), _CMP_LT_OQ));
}

EB_ROWS_INLINE uint32_t eb_below_word(const eb_thresholds *t, const float *x, int32_t c) {
  uint32_t word = 0;
  for (int32_t i = 0; i < 32; i += 8) word |= eb_below_eight(t, x + i, c + i) << i;
  return word;
}

#elif defined(__SSE2__)
#include <emmintrin.h>

EB_ROWS_INLINE __m128i eb_load_four(const void *from) { return _mm_loadu_si128((const __m128i *)from); }

EB_ROWS_INLINE __m128i eb_below_four(const eb_thresholds *t, const float *x, int32_t c) {
  const __m128i seen = _mm_xor_si128(_mm_and_si128(eb_load_four(x), eb_load_four(t->keep + c)), eb_load_four(t->flip + c));
  return _mm_castps_si128(_mm_cmplt_ps(_mm_castsi128_ps(seen), _mm_loadu_ps(t->limit + c)));
}

EB_ROWS_INLINE uint32_t eb_below_sixteen(const eb_thresholds *t, const float *x, int32_t c) {
  const __m128i first = _mm_packs_epi32(eb_below_four(t, x, c), eb_below_four(t, x + 4, c + 4));
  const __m128i second = _mm_packs_epi32(eb_below_four(t, x + 8, c + 8), eb_below_four(t, x + 12, c + 12));
  return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(first, second));
}

EB_ROWS_INLINE uint32_t eb_below_word(const eb_thresholds *t, const float *x, int32_t c) {
  return eb_below_sixteen(t, x, c) | eb_below_sixteen(t, x + 16, c + 16) << 16;
}

#else

#include "float_bits.h"

typedef uint32_t eb_bits4 __attribute__((vector_size(16)));

/* -1 for each float below. As integers that keep the order of floats, since ARMv7 takes the smallest floats of a vector for
 * 0; NaN is below nothing. */
EB_ROWS_INLINE eb_bits4 eb_below_four(const eb_thresholds *t, const float *x, int32_t c) {
  eb_bits4 below;
  for (int i = 0; i < 4; i++) {
    const float seen = eb_float_of((eb_bits_of(x[i]) & t->keep[c + i]) ^ t->flip[c + i]);
    below[i] = seen < t->limit[c + i] ? UINT32_MAX : 0;
  }
  return below;
}

EB_ROWS_INLINE uint32_t eb_below_word(const eb_thresholds *t, const float *x, int32_t c) {
  const eb_bits4 lane_bit = {1, 2, 4, 8};
  eb_bits4 bits = {0};
  for (int32_t i = 0; i < 8; i++) bits |= (eb_below_four(t, x + 4 * i, c + 4 * i) & lane_bit) << (uint32_t)(4 * i);
  return bits[0] | bits[1] | bits[2] | bits[3];
}
#endif

EB_ROWS_INLINE void eb_threshold_rows(const eb_rows *op, const eb_thresholds *thresholds, const float *input,
                                      size_t input_stride, int32_t *output, int64_t row_begin, int64_t row_end) {
  const int32_t whole = op->channels / 32 * 32, rest = op->channels - whole;
  int32_t *to = output + (size_t)row_begin * (size_t)eb_packed_words(op->channels);
  for (int64_t row = row_begin; row < row_end; row++) {
    const float *x = input + (size_t)row * input_stride;
    for (int32_t c = 0; c < whole; c += 32) *to++ = (int32_t)eb_below_word(thresholds, x + c, c);
    if (rest == 0) continue;
    float last[32] = {0};
    memcpy(last, x + whole, (size_t)rest * sizeof(float));
    *to++ = (int32_t)eb_below_word(thresholds, last, whole);
  }
}

#endif
