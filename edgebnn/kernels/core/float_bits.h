/* The parts of a float: 1 sign, 8 of the exponent, 23 of the significand. __builtin_memcpy is no call, memcpy may be
 * one (-ffreestanding). */
#ifndef EDGEBNN_FLOAT_BITS_H
#define EDGEBNN_FLOAT_BITS_H

#include <stdint.h>

static inline uint32_t eb_bits_of(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits;
}

static inline float eb_float_of(uint32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

/* 2**n, -126 <= n <= 127. */
static inline float eb_power_of_two(int32_t n) { return eb_float_of((uint32_t)(n + 127) << 23); }

static inline float eb_abs(float x) { return eb_float_of(eb_bits_of(x) & 0x7fffffff); }

/* |x| with the sign of y. */
static inline float eb_copysign(float x, float y) {
  return eb_float_of((eb_bits_of(x) & 0x7fffffff) | (eb_bits_of(y) & 0x80000000));
}

static inline float eb_infinity(void) { return eb_float_of(0x7f800000); }
static inline float eb_nan(void) { return eb_float_of(0x7fc00000); }

#endif
