/* float32 convolution of few input channels with AVX2 and FMA: 16 channels by six pixels take twelve registers of sums, two of
 * weights and one of an input, broadcast; eight channels, by twelve pixels. */
#include "../core/conv2d_few_output.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define SUM float
#define FEW_KERNEL conv2d_few_float_fma
enum { LANES = 8, MOST_VECTORS = 2, TILE = LANES * MOST_VECTORS, GROUP_BYTES = sizeof(float), POOL_CHANNELS = LANES };

typedef __m256 vector;

EB_INLINE vector load(const void *vectors) { return _mm256_loadu_ps(vectors); }

EB_INLINE void store(float *to, vector sums) { _mm256_storeu_ps(to, sums); }

EB_INLINE vector broadcast(const char *group) {
  float one;
  memcpy(&one, group, sizeof(one));
  return _mm256_set1_ps(one);
}

/* In assembly, since gcc would copy sums from register to register. */
#define MULTIPLY_ADD(sum, inputs, weights) __asm__("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(inputs), "x"(weights))

EB_INLINE void write_sums(const eb_conv2d_few_transform *t, int32_t c, int32_t count, const vector *sums, size_t step,
                          int32_t pixels, const int32_t most, size_t stride, void *output) {
  const vector low = _mm256_set1_ps(t->float_min), high = _mm256_set1_ps(t->float_max);
  const __m256i there = _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  const int packs = t->output_type == EB_PACKED;
  uint8_t *bits = (uint8_t *)output + c / 8;
  float *to = (float *)output + c;
#pragma GCC unroll 16
  for (int p = 0; p < most; p++) {
    if (p >= pixels) break;
    const vector y = _mm256_max_ps(_mm256_min_ps(sums[(size_t)p * step], high), low);
    if (packs) {
      const vector below = _mm256_cmp_ps(y, _mm256_setzero_ps(), _CMP_LT_OQ);
      bits[(size_t)p * stride] = (uint8_t)_mm256_movemask_ps(_mm256_and_ps(below, _mm256_castsi256_ps(there)));
    } else if (count >= LANES) {
      _mm256_storeu_ps(to + (size_t)p * stride, y);
    } else {
      _mm256_maskstore_ps(to + (size_t)p * stride, there, y);
    }
  }
}

#include "conv2d_few_tiles.h"

FEW_BY_TWO_VECTORS(eb_conv2d_few_float_fma)

EB_INLINE pooled pool_max(pooled a, pooled b) { return _mm256_max_ps(a, b); }

#include "../core/conv2d_few_rows.h"
#endif
