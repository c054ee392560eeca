/* Signs against a threshold of each channel: 32 comparisons become a word. */
#include "numbers.h"
#include "thresholds.h"

#if defined(__SSE2__)
#include <emmintrin.h>

static inline __m128i load(const void *from) { return _mm_loadu_si128((const __m128i *)from); }

static inline __m128i below_four(const eb_thresholds *t, const float *x, int32_t c) {
  const __m128i seen = _mm_xor_si128(_mm_and_si128(load(x), load(t->keep + c)), load(t->flip + c));
  return _mm_castps_si128(_mm_cmplt_ps(_mm_castsi128_ps(seen), _mm_loadu_ps(t->limit + c)));
}

static inline uint32_t below_sixteen(const eb_thresholds *t, const float *x, int32_t c) {
  const __m128i first = _mm_packs_epi32(below_four(t, x, c), below_four(t, x + 4, c + 4));
  const __m128i second = _mm_packs_epi32(below_four(t, x + 8, c + 8), below_four(t, x + 12, c + 12));
  return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(first, second));
}

static inline uint32_t word_of(const eb_thresholds *t, const float *x, int32_t c) {
  return below_sixteen(t, x, c) | below_sixteen(t, x + 16, c + 16) << 16;
}

#else

#include "float_bits.h"

typedef uint32_t bits4 __attribute__((vector_size(16)));

/* -1 for each float below. As integers that keep the order of floats, since ARMv7 takes the smallest floats of a vector for
 * 0; NaN is below nothing. */
static inline bits4 below_four(const eb_thresholds *t, const float *x, int32_t c) {
  bits4 below;
  for (int i = 0; i < 4; i++) {
    const float seen = eb_float_of((eb_bits_of(x[i]) & t->keep[c + i]) ^ t->flip[c + i]);
    below[i] = seen < t->limit[c + i] ? UINT32_MAX : 0;
  }
  return below;
}

static inline uint32_t word_of(const eb_thresholds *t, const float *x, int32_t c) {
  const bits4 lane_bit = {1, 2, 4, 8};
  bits4 bits = {0};
  for (int32_t i = 0; i < 8; i++) bits |= (below_four(t, x + 4 * i, c + 4 * i) & lane_bit) << (uint32_t)(4 * i);
  return bits[0] | bits[1] | bits[2] | bits[3];
}
#endif

void eb_quantize_by_thresholds(const eb_rows *op, const eb_thresholds *thresholds, const float *input,
                               size_t input_stride, int32_t *output, int64_t row_begin, int64_t row_end) {
  EB_REQUIRE(0 <= row_begin && row_begin <= row_end && row_end <= op->rows && op->channels > 0);
  EB_REQUIRE(op->type == EB_FLOAT32);
  const int32_t whole = op->channels / 32 * 32, rest = op->channels - whole;
  int32_t *to = output + (size_t)row_begin * (size_t)eb_packed_words(op->channels);
  for (int64_t row = row_begin; row < row_end; row++) {
    const float *x = input + (size_t)row * input_stride;
    for (int32_t c = 0; c < whole; c += 32) *to++ = (int32_t)word_of(thresholds, x + c, c);
    if (rest == 0) continue;
    float last[32] = {0};
    memcpy(last, x + whole, (size_t)rest * sizeof(float));
    *to++ = (int32_t)word_of(thresholds, last, whole);
  }
}
