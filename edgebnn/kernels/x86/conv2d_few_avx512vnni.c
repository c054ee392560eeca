/* int8 convolution of few input channels with AVX-512 VNNI: `vpdpbusd` adds four products to each of 16 output channels, of
 * inputs as u = x + 128, broadcast, and weights. 64 channels by six pixels take 24 registers of sums, four of weights and one
 * of inputs; of fewer channels there are more pixels.
 *
 * Requantization of 16 sums takes 13 instructions where it is narrow: the products of even and odd channels are of 64 bits, and
 * their upper halves are what is wanted.
 */
#include "../core/conv2d_few_output.h"

#if defined(__x86_64__)
#include "requantize_avx512.h"

#define SUM int32_t
#define FEW_KERNEL conv2d_few_avx512vnni
enum { LANES = 16, MOST_VECTORS = 4, TILE = LANES * MOST_VECTORS, GROUP_BYTES = 4, POOL_CHANNELS = LANES };

typedef __m512i vector;

EB_INLINE vector load(const void *vectors) { return _mm512_loadu_si512(vectors); }

EB_INLINE void store(int32_t *to, vector sums) { _mm512_storeu_si512(to, sums); }

EB_INLINE vector broadcast(const char *group) {
  int32_t four;
  memcpy(&four, group, sizeof(four));
  return _mm512_set1_epi32(four);
}

/* In assembly, since gcc would copy sums from register to register. */
#define MULTIPLY_ADD(sum, inputs, weights) __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(inputs), "v"(weights))

/* The constants of 16 channels. */
typedef struct {
  __m512i multiplier, odd_multiplier, addend, right;
} narrow_constants;

EB_INLINE narrow_constants narrow_at(const eb_conv2d_few_transform *t, int32_t c) {
  narrow_constants k;
  k.multiplier = _mm512_loadu_si512(t->multiplier + c);
  k.odd_multiplier = _mm512_srli_epi64(k.multiplier, 32);
  k.addend = _mm512_loadu_si512(t->addend + c);
  k.right = _mm512_loadu_si512(t->right + c);
  return k;
}

EB_INLINE __m512i round_narrow(__m512i sum, narrow_constants k) {
  const __m512i nudge = _mm512_set1_epi64(1ll << 31), twice = _mm512_add_epi32(sum, sum);
  const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(twice, k.multiplier), nudge);
  const __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(twice, 32), k.odd_multiplier), nudge);
  const __m512i high = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);
  const __m512i below = _mm512_add_epi32(_mm512_srai_epi32(high, 31), k.addend);
  return _mm512_srav_epi32(_mm512_add_epi32(high, below), k.right);
}

/* The activation. */
typedef struct {
  __m128i min, max;
} bounds;

EB_INLINE bounds bounds_of(const eb_conv2d_few_transform *t) {
  return (bounds){_mm_set1_epi8((char)t->min), _mm_set1_epi8((char)t->max)};
}

EB_INLINE __m128i bounded(__m512i y, bounds b) {
  return _mm_min_epi8(_mm_max_epi8(_mm512_cvtsepi32_epi8(y), b.min), b.max);
}

EB_INLINE void store_bytes(__m128i bytes, int32_t count, int8_t *to) {
  if (count >= LANES) {
    _mm_storeu_si128((__m128i *)(void *)to, bytes);
  } else {
    _mm_mask_storeu_epi8(to, (__mmask16)((1u << count) - 1), bytes);
  }
}

EB_INLINE void store_bits(__mmask16 bits, int32_t count, uint8_t *to) {
  if (count < LANES) bits &= (__mmask16)((1u << count) - 1);
  to[0] = (uint8_t)bits;
  if (count > 8) to[1] = (uint8_t)(bits >> 8);
}

EB_INLINE void write_sums(const eb_conv2d_few_transform *t, int32_t c, int32_t count, const __m512i *sums, size_t step,
                          int32_t pixels, const int32_t most, size_t stride, void *output) {
  if (t->output_type == EB_PACKED) {
    const __m512i threshold = _mm512_loadu_si512(t->threshold + c);
    uint8_t *to = (uint8_t *)output + c / 8;
#pragma GCC unroll 16
    for (int p = 0; p < most; p++) {
      if (p < pixels) store_bits(_mm512_cmplt_epi32_mask(sums[(size_t)p * step], threshold), count, to + (size_t)p * stride);
    }
    return;
  }
  int8_t *to = (int8_t *)output + c;
  const bounds between = bounds_of(t);
  if (t->narrow) {
    const narrow_constants k = narrow_at(t, c);
#pragma GCC unroll 16
    for (int p = 0; p < most; p++) {
      if (p < pixels) store_bytes(bounded(round_narrow(sums[(size_t)p * step], k), between), count, to + (size_t)p * stride);
    }
    return;
  }
  const __m512i multiplier = _mm512_loadu_si512(t->multiplier + c), left = _mm512_loadu_si512(t->left + c);
  const __m512i right = _mm512_loadu_si512(t->right + c), zero_point = _mm512_set1_epi32(t->zero_point);
#pragma GCC unroll 16
  for (int p = 0; p < most; p++) {
    if (p >= pixels) break;
    const __m512i y = eb_avx512_round_twice(sums[(size_t)p * step], multiplier, left, right);
    store_bytes(bounded(_mm512_add_epi32(y, zero_point), between), count, to + (size_t)p * stride);
  }
}

#include "conv2d_few_tiles.h"

FEW_BY_FOUR_VECTORS(eb_conv2d_few_avx512vnni)

EB_INLINE pooled pool_max(pooled a, pooled b) { return _mm512_max_epi32(a, b); }

#include "../core/conv2d_few_rows.h"
#endif
