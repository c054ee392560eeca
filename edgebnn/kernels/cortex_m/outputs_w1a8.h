/* From the sums of kernels with 1-bit weights and int8 activations to outputs. */
#ifndef EDGEBNN_OUTPUTS_W1A8_H
#define EDGEBNN_OUTPUTS_W1A8_H

#include "../core/conv_w1a8.h"
#include "../core/requantize.h"

/* round(x * multiplier / 2**32), halves up, for |x| < 2**29. On ARMv6-M by halves: with x = 2**16 x1 + x0, x0 signed, and
 * multiplier = 2**16 m1 + m0 the product is 2**32 x1 m1 + 2**16 (x1 m0 + x0 m1) + x0 m0, none of which leaves 32 bits; of the
 * last term the lower half does not matter. */
static inline int32_t eb_w1a8_upper_half(int32_t x, int32_t multiplier) {
#if defined(__ARM_ARCH_6M__)
  const int32_t x0 = (int16_t)x, x1 = (x - x0) >> 16, m0 = multiplier & 0xffff, m1 = multiplier >> 16;
  return x1 * m1 + ((x1 * m0 + x0 * m1 + (x0 * m0 >> 16) + 0x8000) >> 16);
#else
  return (int32_t)(((int64_t)x * multiplier + 0x80000000) >> 32);
#endif
}

/* Rounded twice; `rounding` is half a step of the last one, and the zero point in its units. */
static inline int8_t eb_w1a8_short(const int32_t *scale, int32_t sum, int32_t rounding) {
  const int32_t twice = (int32_t)((uint32_t)(scale[2] >> 8) * (uint32_t)sum + (uint32_t)scale[0]);
  return (int8_t)eb_clamp((eb_w1a8_upper_half(twice, scale[1]) + rounding + (twice >> 31)) >> (scale[2] & 0xff), -128, 127);
}

/* The output of a channel by `general`. */
int8_t eb_w1a8_general(const eb_conv_w1a8_sums *layer, int32_t channel, int32_t sum);

#endif
