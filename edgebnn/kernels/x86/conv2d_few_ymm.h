/* int8 convolution of few input channels with vectors of 256 bits: 16 channels by six pixels take twelve registers of sums, two
 * of weights and one of inputs; eight channels, by twelve pixels. What includes this defines before MULTIPLY_ADD(sum, inputs,
 * weights), FEW_KERNEL and KERNEL (the function). */
#include "../core/conv2d_few_output.h"
#include "w1a8_avx2_output.h"

#define SUM int32_t
enum { LANES = 8, MOST_VECTORS = 2, TILE = LANES * MOST_VECTORS, GROUP_BYTES = 4, POOL_CHANNELS = LANES };

typedef __m256i vector;

EB_INLINE vector load(const void *vectors) { return _mm256_loadu_si256(vectors); }

EB_INLINE void store(int32_t *to, vector sums) { _mm256_storeu_si256((__m256i *)(void *)to, sums); }

EB_INLINE vector broadcast(const char *group) {
  int32_t four;
  memcpy(&four, group, sizeof(four));
  return _mm256_set1_epi32(four);
}

/* The constants of 8 channels. */
typedef struct {
  __m256i multiplier, odd_multiplier, addend, right;
} narrow_constants;

EB_INLINE narrow_constants narrow_at(const eb_conv2d_few_transform *t, int32_t c) {
  narrow_constants k;
  k.multiplier = load(t->multiplier + c);
  k.odd_multiplier = _mm256_srli_epi64(k.multiplier, 32);
  k.addend = load(t->addend + c);
  k.right = load(t->right + c);
  return k;
}

EB_INLINE __m256i round_narrow(__m256i sum, narrow_constants k) {
  const __m256i nudge = _mm256_set1_epi64x(1ll << 31), twice = _mm256_add_epi32(sum, sum);
  const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(twice, k.multiplier), nudge);
  const __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(twice, 32), k.odd_multiplier), nudge);
  const __m256i high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
  const __m256i below = _mm256_add_epi32(_mm256_srai_epi32(high, 31), k.addend);
  return _mm256_srav_epi32(_mm256_add_epi32(high, below), k.right);
}

EB_INLINE __m128i bytes_of(__m256i y) {
  const __m128i narrow = _mm_packs_epi32(_mm256_castsi256_si128(y), _mm256_extracti128_si256(y, 1));
  return _mm_packs_epi16(narrow, narrow);
}

EB_INLINE void store_bytes(__m128i bytes, int32_t count, int8_t *to) {
  if (count >= LANES) {
    _mm_storel_epi64((__m128i *)(void *)to, bytes);
  } else {
    const int64_t all = _mm_cvtsi128_si64(bytes);
    memcpy(to, &all, (size_t)count);
  }
}

EB_INLINE uint8_t bits_of(__m256i sums, __m256i threshold, int32_t count) {
  const uint32_t below = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(threshold, sums)));
  return (uint8_t)(count < LANES ? below & ((1u << count) - 1) : below);
}

EB_INLINE void write_sums(const eb_conv2d_few_transform *t, int32_t c, int32_t count, const __m256i *sums, size_t step,
                          int32_t pixels, const int32_t most, size_t stride, void *output) {
  if (t->output_type == EB_PACKED) {
    const __m256i threshold = load(t->threshold + c);
    uint8_t *to = (uint8_t *)output + c / 8;
#pragma GCC unroll 16
    for (int p = 0; p < most; p++) {
      if (p < pixels) to[(size_t)p * stride] = bits_of(sums[(size_t)p * step], threshold, count);
    }
    return;
  }
  int8_t *to = (int8_t *)output + c;
  const __m128i min = _mm_set1_epi8((char)t->min), max = _mm_set1_epi8((char)t->max);
  if (t->narrow) {
    const narrow_constants k = narrow_at(t, c);
#pragma GCC unroll 16
    for (int p = 0; p < most; p++) {
      if (p >= pixels) break;
      const __m128i bytes = bytes_of(round_narrow(sums[(size_t)p * step], k));
      store_bytes(_mm_min_epi8(_mm_max_epi8(bytes, min), max), count, to + (size_t)p * stride);
    }
    return;
  }
  const __m256i multiplier = load(t->multiplier + c), left = load(t->left + c), right = load(t->right + c);
  const __m256i zero_point = _mm256_set1_epi32(t->zero_point);
#pragma GCC unroll 16
  for (int p = 0; p < most; p++) {
    if (p >= pixels) break;
    const __m256i y = eb_w1a8_avx2_round_twice(sums[(size_t)p * step], multiplier, left, right);
    const __m128i bytes = bytes_of(_mm256_add_epi32(y, zero_point));
    store_bytes(_mm_min_epi8(_mm_max_epi8(bytes, min), max), count, to + (size_t)p * stride);
  }
}

#include "conv2d_few_tiles.h"

FEW_BY_TWO_VECTORS(KERNEL)

EB_INLINE pooled pool_max(pooled a, pooled b) { return _mm256_max_epi32(a, b); }

#include "../core/conv2d_few_rows.h"
