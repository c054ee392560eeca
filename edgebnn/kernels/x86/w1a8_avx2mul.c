/* W1A8 convolution with AVX2 by products: `vpmaddubsw` multiplies u = x + 128 with bytes of +1 and -1 and adds two
 * neighbours, at most 2 * 255 in size, 64 of which 16 bits hold; then they are widened. That is twice as fast as int8 with
 * weights of any size, which are widened before they are multiplied.
 */
#include "../core/w1a8_bytes.h"
#include "../core/w1a8_depthwise.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum { MOST_TABLES = INT16_MAX / (2 * 255) };

/* In assembly, since gcc would make the products of many pixels first and keep sums in memory for want of registers. */
EB_INLINE __m256i add_products(__m256i sums, __m256i inputs, __m256i weights) {
  __m256i products;
  __asm__("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0" : "+x"(sums), "=&x"(products) : "x"(inputs), "x"(weights));
  return sums;
}

EB_INLINE __m256i channels_of(__m256i sums) { return _mm256_madd_epi16(sums, _mm256_set1_epi16(1)); }

#include "w1a8_signs.h"
#include "w1a8_ymm.h"

void eb_w1a8_avx2mul_stage(const eb_w1a8_pixels *pixels) { eb_w1a8_stage_bytes(pixels, TABLE_BYTES, 0x80); }

void eb_w1a8_avx2mul_expand(const void *lanes, size_t count, void *weights) {
  eb_w1a8_expand_16(lanes, count, weights);
}

void eb_w1a8_avx2mul(const eb_w1a8_block *b) { run_block(b); }

void eb_w1a8_avx2mul_depthwise(const eb_w1a8_depthwise *d) { eb_depthwise_run(d, eb_w1a8_avx2_write); }
#endif
