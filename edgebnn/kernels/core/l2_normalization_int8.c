#include "l2_normalization_int8.h"

#include "requantize.h"

typedef struct factor {
  int32_t multiplier, shift;
} factor;

static int32_t shifted_left(int32_t x, int32_t bits) {
  const int32_t most = INT32_MAX >> bits;
  return x > most ? INT32_MAX : x < -most - 1 ? INT32_MIN : (int32_t)((uint32_t)x << bits);
}

/* 1 / sqrt(x): x is scaled by a power of 4 to [2**27, 2**29), that is [1/2, 2) with 28 bits of fraction; five Newton steps
 * y (3/2 - x / 2 y**2) from 1, and sqrt(1/2) for the odd power of two. That of 1, and of 0, is the largest below one. */
static factor inverse_square_root(int32_t x) {
  factor found = {INT32_MAX, 0};
  if (x <= 1) return found;
  int32_t shift = 11;
  while (x >= 1 << 29) x /= 4, shift++;
  while (x < 1 << 27) x *= 4, shift--;
  const int32_t half = eb_rounding_shift(x >> 1, 1), three_halves = (1 << 28) + (1 << 27);
  int32_t y = 1 << 28;
  for (int32_t step = 0; step < 5; step++) {
    const int32_t cube = shifted_left(eb_high_mul(eb_high_mul(y, y), y), 6);
    y = shifted_left(eb_high_mul(three_halves, y) - eb_high_mul(half, cube), 3);
  }
  found.multiplier = eb_high_mul(y, 1518500250); /* sqrt(1/2) with 31 bits */
  if (shift < 0) {
    found.multiplier <<= -shift;
  } else {
    found.shift = -shift;
  }
  return found;
}

void eb_l2_normalization_int8(const eb_l2_normalization_int8_layer *l, const int8_t *input, int8_t *output) {
  for (int32_t r = 0; r < l->rows; r++, input += l->depth, output += l->depth) {
    int32_t sum = 0;
    for (int32_t i = 0; i < l->depth; i++) sum += (input[i] - l->zero_point) * (input[i] - l->zero_point);
    const factor length = inverse_square_root(sum);
    for (int32_t i = 0; i < l->depth; i++) {
      output[i] = (int8_t)eb_clamp(eb_requantize(input[i] - l->zero_point, length.multiplier, length.shift + 7), -128, 127);
    }
  }
}
