/* Binary convolution on ARMv7 with NEON: 8 channels by 4 pixels at a time, which with their weights is what sixteen
 * 128-bit registers hold; XOR, a count of the bits of each byte, and pairs of bytes added to 16-bit sums.
 */
#include "../core/output_transform.h"

#if defined(__ARM_NEON) && !defined(__aarch64__)
#include "bconv2d_neon.h"

enum { VECTORS = 2 };

EB_INLINE void add(uint16x8_t *sum, const uint32x4_t *weight, uint32x4_t pixel) {
  for (int v = 0; v < VECTORS; v++) {
    sum[v] = vpadalq_u8(sum[v], vcntq_u8(vreinterpretq_u8_u32(veorq_u32(weight[v], pixel))));
  }
}

EB_INLINE void count(const uint32_t *weights, const uint32_t *pixels, size_t words, uint16x8_t *sums) {
  uint16x8_t sum[EB_NEON_PIXELS][VECTORS];
  for (int p = 0; p < EB_NEON_PIXELS; p++) {
    for (int v = 0; v < VECTORS; v++) sum[p][v] = vdupq_n_u16(0);
  }
  for (; words > 0; words--) {
    uint32x4_t weight[VECTORS];
    for (int v = 0; v < VECTORS; v++, weights += EB_NEON_LANES) weight[v] = vld1q_u32(weights);
    for (int p = 0; p < EB_NEON_PIXELS; p += 2, pixels += 2 * EB_NEON_LANES) {
      const uint32x4_t one = vld1q_u32(pixels), other = vld1q_u32(pixels + EB_NEON_LANES);
      add(sum[p], weight, one);
      add(sum[p + 1], weight, other);
      /* Two pixels are in flight, no more: else compilers spill a register in the loop. */
      __asm__ volatile("" : "+w"(sum[p][0]), "+w"(sum[p][1]), "+w"(sum[p + 1][0]), "+w"(sum[p + 1][1]));
    }
  }
  for (int p = 0; p < EB_NEON_PIXELS; p++) {
    for (int v = 0; v < VECTORS; v++) *sums++ = sum[p][v];
  }
}

void eb_bconv2d_neon32_pack(const uint32_t *filter, size_t filter_words, size_t words, int32_t channels,
                            void *packed) {
  eb_neon_pack(filter, filter_words, words, channels, VECTORS, packed);
}

void eb_bconv2d_neon32(const eb_bconv2d_block *b) { eb_neon_run(b, VECTORS, count); }
#endif
