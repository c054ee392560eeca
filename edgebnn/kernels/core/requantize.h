/* From int32 accumulators to the steps of an int8 output, in fixed point.
 *
 * A factor M is multiplier / 2**31 * 2**shift, 0 <= multiplier < 2**31, -31 <= shift <= 31 (Jacob et al., "Quantization and
 * Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018, section 2.2). x * M is rounded
 * twice, as LiteRT's kernels do, bit for bit:
 *   1. a positive shift multiplies first, in 32 bits that wrap;
 *   2. the doubling high multiplication floor((x * multiplier + 2**30) / 2**31) rounds halves up;
 *   3. a negative shift divides by a power of two and rounds halves away from zero.
 * There is one way to do this for each kind of multiplier that cores have: 32 x 32 -> 64 bits (all but ARMv6-M), the upper
 * half rounded (the DSP extension), 32 x 32 -> 32 only (ARMv6-M: Cortex-M0, M0+).
 */
#ifndef EDGEBNN_REQUANTIZE_H
#define EDGEBNN_REQUANTIZE_H

#include <stdint.h>

/* Step 2 by products of 64 bits. */
static inline int32_t eb_high_mul_wide(int32_t x, int32_t multiplier) {
  return (int32_t)(((int64_t)x * multiplier + (1 << 30)) >> 31);
}

/* Step 2 by products of 32 bits. With x = 2**16 x1 + x0 and multiplier = 2**16 m1 + m0, 0 <= x0, m0 < 2**16, the product is
 *   2**32 x1 m1 + 2**16 (x1 m0 + x0 m1) + x0 m0;
 * x0 m1 and the upper half of x0 m0 fit in 32 bits unsigned, x1 m0 in 32 bits signed. Of the 32 lower bits the two uppermost
 * decide how it is rounded. */
static inline int32_t eb_high_mul_halves(int32_t x, int32_t multiplier) {
  const uint32_t x0 = (uint32_t)x & 0xffff, m0 = (uint32_t)multiplier & 0xffff, m1 = (uint32_t)multiplier >> 16;
  const int32_t x1 = x >> 16;
  const uint32_t first = x0 * m1 + ((x0 * m0) >> 16);
  const int32_t second = x1 * (int32_t)m0;
  const uint32_t middle = (first & 0xffff) + ((uint32_t)second & 0xffff);
  const int32_t high = x1 * (int32_t)m1 + (int32_t)(first >> 16) + (second >> 16) + (int32_t)(middle >> 16);
  return (int32_t)(((uint32_t)high << 1) + ((((middle >> 14) & 3) + 1) >> 1));
}

/* Step 2, for every x. */
static inline int32_t eb_high_mul(int32_t x, int32_t multiplier) {
#if defined(__ARM_ARCH_6M__)
  return eb_high_mul_halves(x, multiplier);
#else
  return eb_high_mul_wide(x, multiplier);
#endif
}

/* Step 2 for -2**30 <= x < 2**30: there 2 x fits in 32 bits, and
 *   floor((x * multiplier + 2**30) / 2**31) = floor((2 x * multiplier + 2**31) / 2**32),
 * which one instruction of the DSP extension computes. */
static inline int32_t eb_high_mul_narrow(int32_t x, int32_t multiplier) {
#if defined(__ARM_FEATURE_DSP) && __ARM_ARCH_PROFILE == 'M'
  int32_t high;
  __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"((uint32_t)x << 1), "r"(multiplier));
  return high;
#else
  return eb_high_mul(x, multiplier);
#endif
}

/* Step 3: x / 2**bits, 0 <= bits <= 31. */
static inline int32_t eb_rounding_shift(int32_t x, int32_t bits) {
  const uint32_t mask = ((uint32_t)1 << bits) - 1;
  const uint32_t threshold = (mask >> 1) + (x < 0);
  return (x >> bits) + (((uint32_t)x & mask) > threshold);
}

/* All steps. */
static inline int32_t eb_requantize(int32_t x, int32_t multiplier, int32_t shift) {
  const int32_t left = shift > 0 ? shift : 0;
  const int32_t high = eb_high_mul((int32_t)((uint32_t)x << left), multiplier);
  return eb_rounding_shift(high, left - shift);
}

/* All steps where -2**30 <= x * 2**max(shift, 0) < 2**30. */
static inline int32_t eb_requantize_narrow(int32_t x, int32_t multiplier, int32_t shift) {
  const int32_t left = shift > 0 ? shift : 0;
  const int32_t high = eb_high_mul_narrow((int32_t)((uint32_t)x << left), multiplier);
  return eb_rounding_shift(high, left - shift);
}

static inline int32_t eb_clamp(int32_t x, int32_t low, int32_t high) { return x < low ? low : x > high ? high : x; }

#endif
