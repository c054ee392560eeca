/* FLOOR_DIV of floats: the remainder is exact, and with it the quotient is rounded down as it should be. */
#include "binary.h"
#include "binary_float.h"
#include "clamp_float.h"
#include "float_bits.h"

/* The significand, and the exponent of its last bit. */
static uint32_t significand(float x, int32_t *exponent) {
  const uint32_t bits = eb_bits_of(x) & 0x7fffffff, stored = bits >> 23;
  *exponent = (int32_t)(stored > 0 ? stored : 1) - 150;
  return stored > 0 ? (bits & 0x007fffff) | 0x00800000 : bits;
}

/* C's fmod, a - b trunc(a / b), exact, with the sign of a: a division by hand. */
static float remainder_of(float a, float b) {
  if (b == 0.0f || !(eb_abs(a) < eb_infinity()) || b != b) return eb_nan();
  if (eb_abs(a) < eb_abs(b)) return a;
  int32_t from, to;
  uint32_t rest = significand(a, &from);
  const uint32_t divisor = significand(b, &to);
  rest %= divisor;
  for (; from > to; from--) rest = (rest << 1) % divisor;
  const float value = (float)rest; /* times 2**to, in two steps where that is less than the smallest normal float */
  return eb_copysign(to < -126 ? value * 0x1p-100f * eb_power_of_two(to + 100) : value * eb_power_of_two(to), a);
}

static float floor_div(float a, float b) {
  if (b == 0.0f) return a / b;
  const float rest = remainder_of(a, b);
  float quotient = (a - rest) / b;
  if (rest != 0.0f && (b < 0) != (rest < 0)) quotient -= 1.0f;
  if (!(eb_abs(quotient) < 0x1p23f)) return quotient;
  float whole = (float)(int32_t)quotient;
  if (whole > quotient) whole -= 1.0f;
  return quotient - whole > 0.5f ? whole + 1.0f : whole; /* a quotient that was rounded to just below an integer */
}

EB_BINARY(eb_floor_div_float, eb_binary_float_layer, float, float, eb_clamp_real(floor_div(a, b), l->low, l->high))
