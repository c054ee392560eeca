/* From sums to outputs with NEON, as eb_w1a8_output does: 16 channels at a time. */
#ifndef EDGEBNN_W1A8_NEON_OUTPUT_H
#define EDGEBNN_W1A8_NEON_OUTPUT_H

#include <arm_neon.h>

#include "../core/w1a8_depthwise.h"

/* gemmlowp's SaturatingRoundingDoublingHighMul is one instruction; its RoundingDivideByPOT rounds halves away from
 * zero, which is what a shift with rounding does once one is taken from negative numbers. */
EB_INLINE int32x4_t eb_w1a8_neon_round_twice(int32x4_t sum, const int32_t *multiplier, const int32_t *left,
                                             const int32_t *right) {
  const int32x4_t shifted = vshlq_s32(sum, vld1q_s32(left));
  const int32x4_t high = vqrdmulhq_s32(shifted, vld1q_s32(multiplier));
  const int32x4_t down = vnegq_s32(vld1q_s32(right));
  const int32x4_t less = vshrq_n_s32(vandq_s32(high, down), 31); /* -1 where negative and shifted */
  return vrshlq_s32(vqaddq_s32(high, less), down);
}

#if defined(__aarch64__)
/* Conversion rounds halves away from zero and saturates. */
EB_INLINE int32x4_t eb_w1a8_neon_round_once(int32x4_t sum, const double *factor) {
  const float64x2_t low = vcvtq_f64_s64(vmovl_s32(vget_low_s32(sum)));
  const float64x2_t high = vcvtq_f64_s64(vmovl_high_s32(sum));
  const int64x2_t l = vcvtaq_s64_f64(vmulq_f64(low, vld1q_f64(factor)));
  const int64x2_t h = vcvtaq_s64_f64(vmulq_f64(high, vld1q_f64(factor + 2)));
  return vqmovn_high_s64(vqmovn_s64(l), h);
}
#else
EB_INLINE int32x4_t eb_w1a8_neon_round_once(int32x4_t sum, const double *factor) {
  int32_t y[4];
  vst1q_s32(y, sum);
  for (int i = 0; i < 4; i++) y[i] = eb_w1a8_round_once(y[i], factor[i]);
  return vld1q_s32(y);
}
#endif

/* Four channels from c on, rounded, without bounds. */
EB_INLINE int32x4_t eb_w1a8_neon_scale(const eb_w1a8_transform *t, int32_t c, int32x4_t sum) {
  const int32x4_t biased = vmlaq_s32(vld1q_s32(t->bias + c), sum, vld1q_s32(t->magnitude + c));
  const int32x4_t y = t->rounding == EB_ROUND_ONCE
                          ? eb_w1a8_neon_round_once(biased, t->factor + c)
                          : eb_w1a8_neon_round_twice(biased, t->multiplier + c, t->left + c, t->right + c);
  return vqaddq_s32(y, vdupq_n_s32(t->zero_point));
}

/* The outputs of one pixel's 16 channels from `first` on, of which `left` are there; output: of the first. */
EB_INLINE void eb_w1a8_neon_write(const eb_w1a8_transform *t, int32_t first, int32_t left, const int32x4_t *sums,
                                  int8_t *output) {
  int16x4_t narrow[4];
  for (int i = 0; i < 4; i++) narrow[i] = vqmovn_s32(eb_w1a8_neon_scale(t, first + 4 * i, sums[i]));
  const int8x8_t low = vqmovn_s16(vcombine_s16(narrow[0], narrow[1]));
  const int8x8_t high = vqmovn_s16(vcombine_s16(narrow[2], narrow[3]));
  const int8x16_t bounded = vmaxq_s8(vcombine_s8(low, high), vdupq_n_s8((int8_t)t->min));
  const int8x16_t y = vminq_s8(bounded, vdupq_n_s8((int8_t)t->max));
  if (left >= 16) {
    vst1q_s8(output, y);
  } else {
    int8_t rest[16];
    vst1q_s8(rest, y);
    memcpy(output, rest, (size_t)left);
  }
}

EB_INLINE void eb_w1a8_neon_write_channels(const eb_w1a8_transform *t, int32_t first, int32_t count,
                                           const int32_t *sums, int8_t *output) {
  for (int32_t c = 0; c < count; c += 16) {
    int32x4_t x[4];
    for (int i = 0; i < 4; i++) x[i] = vld1q_s32(sums + c + 4 * i);
    eb_w1a8_neon_write(t, first + c, count - c, x, output + c);
  }
}

#endif
