/* Signs against a threshold of each channel: 32 comparisons become a word. Of rows_block.h. Of int8 the channels may be parts of
 * several tensors, none of which need end with a word. */
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

EB_ROWS_INLINE uint32_t eb_int8_below_word(const int8_t *x, const int8_t *limit) {
  return _mm256_cmplt_epi8_mask(_mm256_loadu_si256((const __m256i *)(const void *)x),
                                _mm256_loadu_si256((const __m256i *)(const void *)limit));
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

EB_ROWS_INLINE uint32_t eb_int8_below_word(const int8_t *x, const int8_t *limit) {
  const __m256i of_x = _mm256_loadu_si256((const __m256i *)(const void *)x);
  return (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(_mm256_loadu_si256((const __m256i *)(const void *)limit), of_x));
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

EB_ROWS_INLINE uint32_t eb_int8_below_word(const int8_t *x, const int8_t *limit) {
  const __m128i first = _mm_cmplt_epi8(eb_load_four(x), eb_load_four(limit));
  const __m128i second = _mm_cmplt_epi8(eb_load_four(x + 16), eb_load_four(limit + 16));
  return (uint32_t)_mm_movemask_epi8(first) | (uint32_t)_mm_movemask_epi8(second) << 16;
}

#else

#include "byte_masks.h"

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

EB_ROWS_INLINE uint32_t eb_int8_below_word(const int8_t *x, const int8_t *limit) {
  eb_bytes16 of_x[2], of_limit[2];
  memcpy(of_x, x, 32);
  memcpy(of_limit, limit, 32);
  return eb_gather_bits(of_x[0] < of_limit[0]) | eb_gather_bits(of_x[1] < of_limit[1]) << 16;
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

/* Bits behind each other, of which whole words are written. */
typedef struct eb_bit_writer {
  uint32_t *to;
  uint64_t bits;
  int32_t held; /* of them, fewer than 32 */
} eb_bit_writer;

EB_ROWS_INLINE void eb_write_bits(eb_bit_writer *w, uint32_t bits, int32_t count) {
  w->bits |= (uint64_t)bits << w->held;
  w->held += count;
  if (w->held < 32) return;
  *w->to++ = (uint32_t)w->bits;
  w->bits >>= 32;
  w->held -= 32;
}

/* The words of whole words of channels, at the beginning of one. */
EB_ROWS_INLINE void eb_write_words(const int8_t *x, int32_t words, const int8_t *limit, const uint32_t *turned,
                                   uint32_t *to) {
  int32_t i = 0;
#if defined(__AVX512F__)
  for (; i + 2 <= words; i += 2) {
    uint64_t two;
    memcpy(&two, turned + i, sizeof(two));
    two ^= _mm512_cmplt_epi8_mask(_mm512_loadu_si512(x + 32 * i), _mm512_loadu_si512(limit + 32 * i));
    memcpy(to + i, &two, sizeof(two));
  }
#endif
  for (; i < words; i++) to[i] = eb_int8_below_word(x + 32 * i, limit + 32 * i) ^ turned[i];
}

/* Those of a row of a part, whose thresholds begin with a word. */
EB_ROWS_INLINE void eb_write_part(const int8_t *x, int32_t channels, const int8_t *limit, const uint32_t *turned,
                                  eb_bit_writer *w) {
  const int32_t words = channels / 32, rest = channels % 32;
  if (w->held == 0) {
    eb_write_words(x, words, limit, turned, w->to);
    w->to += words;
  } else {
    for (int32_t i = 0; i < words; i++)
      eb_write_bits(w, eb_int8_below_word(x + 32 * i, limit + 32 * i) ^ turned[i], 32);
  }
  if (rest == 0) return;
  int8_t last[32] = {0};
  memcpy(last, x + 32 * words, (size_t)rest);
  eb_write_bits(w, eb_int8_below_word(last, limit + 32 * words) ^ turned[words], rest);
}

EB_ROWS_INLINE void eb_int8_threshold_rows(const eb_rows *op, const eb_int8_thresholds *thresholds,
                                           const eb_sign_part *parts, int32_t count, int32_t *output, int64_t row_begin,
                                           int64_t row_end) {
  for (int64_t row = row_begin; row < row_end; row++) {
    eb_bit_writer w = {.to = (uint32_t *)output + (size_t)row * (size_t)eb_packed_words(op->channels)};
    const int8_t *limit = thresholds->limit;
    const uint32_t *turned = thresholds->turned;
    for (int32_t i = 0; i < count; i++) {
      const int32_t words = eb_packed_words(parts[i].channels);
      eb_write_part(parts[i].input + (size_t)row * parts[i].stride, parts[i].channels, limit, turned, &w);
      limit += 32 * words;
      turned += words;
    }
    if (w.held > 0) *w.to = (uint32_t)w.bits;
  }
}

#endif
