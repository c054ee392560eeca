/* float32 convolution of few input channels with AVX-512: 64 channels by six pixels take 24 registers of sums, four of weights and
 * one of an input, broadcast; of fewer channels there are more pixels. */
#include "../core/conv2d_few_output.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define SUM float
#define FEW_KERNEL conv2d_few_float_avx512
enum { LANES = 16, MOST_VECTORS = 4, TILE = LANES * MOST_VECTORS, GROUP_BYTES = sizeof(float), POOL_CHANNELS = LANES };

typedef __m512 vector;

EB_INLINE vector load(const void *vectors) { return _mm512_loadu_ps(vectors); }

EB_INLINE void store(float *to, vector sums) { _mm512_storeu_ps(to, sums); }

EB_INLINE vector broadcast(const char *group) {
  float one;
  memcpy(&one, group, sizeof(one));
  return _mm512_set1_ps(one);
}

/* In assembly, since gcc would copy sums from register to register. */
#define MULTIPLY_ADD(sum, inputs, weights) __asm__("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(inputs), "v"(weights))

EB_INLINE void write_sums(const eb_conv2d_few_transform *t, int32_t c, int32_t count, const vector *sums, size_t step,
                          int32_t pixels, const int32_t most, size_t stride, void *output) {
  const vector low = _mm512_set1_ps(t->float_min), high = _mm512_set1_ps(t->float_max);
  const __mmask16 there = count >= LANES ? 0xFFFF : (__mmask16)((1u << count) - 1);
  const int packs = t->output_type == EB_PACKED;
  uint8_t *bits = (uint8_t *)output + c / 8;
  float *to = (float *)output + c;
#pragma GCC unroll 16
  for (int p = 0; p < most; p++) {
    if (p >= pixels) break;
    const vector y = _mm512_max_ps(_mm512_min_ps(sums[(size_t)p * step], high), low);
    if (packs) {
      const uint32_t below = _mm512_mask_cmp_ps_mask(there, y, _mm512_setzero_ps(), _CMP_LT_OQ);
      bits[(size_t)p * stride] = (uint8_t)below;
      if (count > 8) bits[(size_t)p * stride + 1] = (uint8_t)(below >> 8);
    } else {
      _mm512_mask_storeu_ps(to + (size_t)p * stride, there, y);
    }
  }
}

#include "conv2d_few_tiles.h"

FEW_BY_FOUR_VECTORS(eb_conv2d_few_float_avx512)

EB_INLINE pooled pool_max(pooled a, pooled b) { return _mm512_max_ps(a, b); }

#include "../core/conv2d_few_rows.h"
#endif
