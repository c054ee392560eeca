#include "softmax_int8.h"

#include "requantize.h"

enum { SUM_BITS = 12 }; /* integer bits of the sum: Q12.19 */

/* The doubling high multiplication for factors of any sign; neither is -2**31. */
static int32_t high_mul(int32_t x, int32_t y) { return y < 0 ? eb_high_mul(-x, -y) : eb_high_mul(x, y); }

static int32_t saturating_left_shift(int32_t x, int32_t bits) {
  const int32_t limit = INT32_MAX >> bits;
  return x > limit ? INT32_MAX : x < -limit - 1 ? INT32_MIN : (int32_t)((uint32_t)x << bits);
}

/* 1 / x, x in Q12.19, is the result / 2**(SUM_BITS - headroom + 31): three steps of Newton-Raphson. */
static int32_t reciprocal(uint32_t x, int32_t *headroom) {
  for (*headroom = 0; !(x & 0x80000000); ++*headroom) x <<= 1;
  const int32_t half = (int32_t)(x >> 1);
  int32_t y = 1515870810 + high_mul(half, -1010580540); /* 48/17 and -32/17 in Q2.29 */
  for (int step = 0; step < 3; step++) {
    const int32_t error = (1 << 29) - high_mul(half, y);
    y += saturating_left_shift(high_mul(y, error), 2);
  }
  return saturating_left_shift(y, 1);
}

void eb_softmax_int8(const eb_softmax_int8_layer *l, const int8_t *input, int8_t *output) {
  for (int32_t row = 0; row < l->rows; row++, input += l->depth, output += l->depth) {
    int32_t greatest = -128;
    for (int32_t i = 0; i < l->depth; i++) greatest = input[i] > greatest ? input[i] : greatest;
    uint32_t sum = 0;
    for (int32_t i = 0; i < l->depth; i++) {
      const int32_t difference = greatest - input[i];
      if (difference < l->differences) sum += (uint32_t)eb_rounding_shift(l->exponentials[difference], SUM_BITS);
    }
    int32_t headroom;
    const int32_t inverse = reciprocal(sum, &headroom);
    const int32_t bits = SUM_BITS - headroom + 31 - 8;
    for (int32_t i = 0; i < l->depth; i++) {
      const int32_t difference = greatest - input[i];
      const int32_t share = difference < l->differences ? high_mul(l->exponentials[difference], inverse) : 0;
      output[i] = (int8_t)eb_clamp(bits > 31 ? -128 : eb_rounding_shift(share, bits) - 128, -128, 127);
    }
  }
}
