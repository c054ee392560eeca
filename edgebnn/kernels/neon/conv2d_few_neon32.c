/* int8 convolution of few input channels on ARMv7 with NEON: as conv2d_few_neon64.c, two products a lane of 16 bits, added in
 * pairs. 8 channels by three pixels take six of 16 registers. */
#include "../core/conv2d_few_block.h"

#if defined(__ARM_NEON) && !defined(__aarch64__)
#include "conv2d_few_neon.h"

enum { TILE = EB_FEW_NEON_LANES, STEP = 4 /* inputs: two groups */, PIXELS = 3 };

EB_INLINE int8x8_t repeated(const int8_t *pair) {
  int16_t both;
  memcpy(&both, pair, sizeof(both));
  return vreinterpret_s8_s16(vdup_n_s16(both));
}

void eb_conv2d_few_neon32(const eb_conv2d_few_block *b) {
  eb_require_conv2d_few_block(b, TILE);
  const int32_t *bias = b->bias;
  for (int32_t first = 0; first < b->pixel_count; first += PIXELS) {
    const int8_t *weights = b->weights, *at = (const int8_t *)b->windows + (size_t)first * b->window_bytes;
    pooled sums[PIXELS];
#pragma GCC unroll 3
    for (int p = 0; p < PIXELS; p++) sums[p] = pool_load(bias);
    for (int32_t groups = b->groups; groups > 0; groups -= 2, weights += STEP * TILE, at += STEP) {
      const int8x16_t w0 = vld1q_s8(weights), w1 = vld1q_s8(weights + 2 * TILE);
#pragma GCC unroll 3
      for (int p = 0; p < PIXELS; p++) {
        const int8x8_t x0 = repeated(at + (size_t)p * b->window_bytes), x1 = repeated(at + (size_t)p * b->window_bytes + 2);
        const int16x8_t low = vmlal_s8(vmull_s8(vget_low_s8(w0), x0), vget_low_s8(w1), x1);
        const int16x8_t high = vmlal_s8(vmull_s8(vget_high_s8(w0), x0), vget_high_s8(w1), x1);
        sums[p].val[0] = vpadalq_s16(sums[p].val[0], low);
        sums[p].val[1] = vpadalq_s16(sums[p].val[1], high);
      }
    }
    eb_few_neon_finish(b, first, eb_at_most(b->pixel_count - first, PIXELS), 1, sums);
  }
}

#define FEW_KERNEL conv2d_few_neon32
#include "../core/conv2d_few_rows.h"
#endif
