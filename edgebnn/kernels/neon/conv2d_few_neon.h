/* What the NEON kernels of int8 convolution of few input channels share: from sums to outputs, 8 channels at a time. */
#ifndef EDGEBNN_CONV2D_FEW_NEON_H
#define EDGEBNN_CONV2D_FEW_NEON_H

#include <arm_neon.h>

#include "../core/conv2d_few_block.h"
#include "w1a8_neon_output.h"

enum { EB_FEW_NEON_LANES = 8 };

/* What belongs to 8 channels from c on. */
typedef struct {
  int32x4_t multiplier[2], addend[2], down[2];
  int8x8_t min, max;
} eb_few_neon_constants;

EB_INLINE eb_few_neon_constants eb_few_neon_constants_at(const eb_conv2d_few_transform *t, int32_t c) {
  eb_few_neon_constants k;
  for (int half = 0; half < 2; half++) {
    k.multiplier[half] = vld1q_s32(t->multiplier + c + 4 * half);
    k.addend[half] = vld1q_s32(t->addend + c + 4 * half);
    k.down[half] = vnegq_s32(vld1q_s32(t->right + c + 4 * half));
  }
  k.min = vdup_n_s8((int8_t)t->min);
  k.max = vdup_n_s8((int8_t)t->max);
  return k;
}

/* Rounded and with the zero point, without bounds. */
EB_INLINE int32x4_t eb_few_neon_narrow(const eb_few_neon_constants *k, int half, int32x4_t sum) {
  const int32x4_t high = vqrdmulhq_s32(sum, k->multiplier[half]);
  return vshlq_s32(vaddq_s32(vsraq_n_s32(high, high, 31), k->addend[half]), k->down[half]);
}

EB_INLINE int32x4_t eb_few_neon_wide(const eb_conv2d_few_transform *t, int32_t c, int32x4_t sum) {
  const int32x4_t y = eb_w1a8_neon_round_twice(sum, t->multiplier + c, t->left + c, t->right + c);
  return vaddq_s32(y, vdupq_n_s32(t->zero_point));
}

EB_INLINE int8x8_t eb_few_neon_bounded(const eb_few_neon_constants *k, int32x4_t low, int32x4_t high) {
  const int8x8_t bytes = vqmovn_s16(vcombine_s16(vqmovn_s32(low), vqmovn_s32(high)));
  return vmin_s8(vmax_s8(bytes, k->min), k->max);
}

EB_INLINE uint8_t eb_few_neon_bits(uint32x4_t low, uint32x4_t high) {
  static const uint8_t places[8] = {1, 2, 4, 8, 16, 32, 64, 128};
  const uint8x8_t bytes = vmovn_u16(vcombine_u16(vmovn_u32(low), vmovn_u32(high)));
  const uint8x8_t bits = vand_u8(bytes, vld1_u8(places));
#if defined(__aarch64__)
  return vaddv_u8(bits);
#else
  const uint8x8_t twos = vpadd_u8(bits, bits), fours = vpadd_u8(twos, twos);
  return vget_lane_u8(vpadd_u8(fours, fours), 0);
#endif
}

#define SUM int32_t
typedef int32x4x2_t pooled;
enum { POOL_CHANNELS = EB_FEW_NEON_LANES };

EB_INLINE pooled pool_load(const int32_t *sums) { return (pooled){{vld1q_s32(sums), vld1q_s32(sums + 4)}}; }

EB_INLINE pooled pool_max(pooled a, pooled b) {
  return (pooled){{vmaxq_s32(a.val[0], b.val[0]), vmaxq_s32(a.val[1], b.val[1])}};
}

EB_INLINE void eb_few_neon_store(int8x8_t y, int32_t count, int8_t *to) {
  if (count >= EB_FEW_NEON_LANES) {
    vst1_s8(to, y);
  } else {
    int8_t rest[EB_FEW_NEON_LANES];
    vst1_s8(rest, y);
    memcpy(to, rest, (size_t)count);
  }
}

/* 8 channels from `first` on, of which `count` are there, of some pixels; sums: `step` apart; output: of channel 0 of the first
 * pixel, pixels `stride` apart. */
EB_INLINE void eb_few_neon_write(const eb_conv2d_few_transform *t, int32_t first, int32_t count, const pooled *sums,
                                 size_t step, int32_t pixels, size_t stride, void *output) {
  int8_t *to = (int8_t *)output + first;
  if (t->output_type == EB_PACKED) {
    const int32x4_t low = vld1q_s32(t->threshold + first), high = vld1q_s32(t->threshold + first + 4);
    const uint8_t there = (uint8_t)((1u << eb_at_most(count, EB_FEW_NEON_LANES)) - 1);
    uint8_t *bits = (uint8_t *)output + first / 8;
    for (int32_t p = 0; p < pixels; p++, sums += step, bits += stride) {
      *bits = eb_few_neon_bits(vcltq_s32(sums->val[0], low), vcltq_s32(sums->val[1], high)) & there;
    }
    return;
  }
  const eb_few_neon_constants k = eb_few_neon_constants_at(t, first);
  if (t->narrow) {
    for (int32_t p = 0; p < pixels; p++, sums += step, to += stride) {
      const int32x4_t low = eb_few_neon_narrow(&k, 0, sums->val[0]), high = eb_few_neon_narrow(&k, 1, sums->val[1]);
      eb_few_neon_store(eb_few_neon_bounded(&k, low, high), count, to);
    }
    return;
  }
  for (int32_t p = 0; p < pixels; p++, sums += step, to += stride) {
    const int32x4_t low = eb_few_neon_wide(t, first, sums->val[0]), high = eb_few_neon_wide(t, first + 4, sums->val[1]);
    eb_few_neon_store(eb_few_neon_bounded(&k, low, high), count, to);
  }
}

/* What a block wants of `pixels` pixels from `first` on: sums [pixels][octets], octets: of the channels that were computed. */
EB_INLINE void eb_few_neon_finish(const eb_conv2d_few_block *b, int32_t first, int32_t pixels, const int octets,
                                  const pooled *sums) {
  for (int octet = 0; octet < octets; octet++) {
    const int32_t c = octet * EB_FEW_NEON_LANES;
    if (b->sums == NULL) {
      char *output = (char *)b->output + (size_t)first * b->output_stride;
      eb_few_neon_write(&b->transform, c, b->channels - c, sums + octet, (size_t)octets, pixels, b->output_stride, output);
      continue;
    }
    int32_t *to = (int32_t *)b->sums + (size_t)first * b->sum_stride + c;
    for (int32_t p = 0; p < pixels; p++, to += b->sum_stride) {
      vst1q_s32(to, sums[p * octets + octet].val[0]);
      vst1q_s32(to + 4, sums[p * octets + octet].val[1]);
    }
  }
}

EB_INLINE void write_pooled(const eb_conv2d_few_transform *t, int32_t first, int32_t count, pooled sums, void *output) {
  eb_few_neon_write(t, first, count, &sums, 1, 1, 0, output);
}

#endif
