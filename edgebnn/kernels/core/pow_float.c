/* x**y = 2**(y log2(x)). The logarithm needs more bits than a float has, since y multiplies its error: doubles, which cores
 * without such a unit compute in software. */
#include "binary.h"
#include "binary_float.h"
#include "clamp_float.h"
#include "float_bits.h"
#include "float_functions.h"

/* Of finite x > 0: x = 2**k m with sqrt(1/2) <= m < sqrt(2), and log2(m) = 2 / ln 2 artanh((m - 1) / (m + 1)). */
static double log2_of(float x) {
  uint32_t bits = eb_bits_of(x);
  int32_t k = 0;
  if (bits < 0x00800000) bits = eb_bits_of(x * 0x1p25f), k = -25;
  bits += 0x3f800000 - 0x3f3504f3;
  k += (int32_t)(bits >> 23) - 127;
  const double m = (double)eb_float_of((bits & 0x007fffff) + 0x3f3504f3), s = (m - 1.0) / (m + 1.0), z = s * s;
  const double series = 1.0 + z * (1.0 / 3 + z * (1.0 / 5 + z * (1.0 / 7 + z * (1.0 / 9 + z * (1.0 / 11 + z / 13)))));
  return (double)k + 2.8853900817779268 * s * series;
}

static const double reciprocal[] = {0.0, 1.0, 1.0 / 2, 1.0 / 3, 1.0 / 4, 1.0 / 5, 1.0 / 6, 1.0 / 7, 1.0 / 8, 1.0 / 9, 1.0 / 10};

static float exp2_of(double x) {
  if (x > 200.0) return eb_infinity();
  if (x < -200.0) return 0.0f;
  const int32_t n = (int32_t)(x + (x < 0 ? -0.5 : 0.5));
  const double r = (x - (double)n) * 0.69314718055994531;
  double sum = 1.0;
  for (int32_t k = 10; k > 0; k--) sum = 1.0 + sum * r * reciprocal[k];
  const uint64_t bits = (uint64_t)(n + 1023) << 52;
  double scale;
  __builtin_memcpy(&scale, &bits, sizeof scale);
  return (float)(sum * scale);
}

/* 0: no integer, 1: odd, 2: even. */
static int32_t parity(float y) {
  const float size = eb_abs(y);
  if (size >= 0x1p24f) return 2;
  const int32_t whole = (int32_t)size;
  return (float)whole != size ? 0 : whole & 1 ? 1 : 2;
}

float eb_pow(float x, float y) {
  if (y == 0.0f || x == 1.0f) return 1.0f;
  if (x != x || y != y) return eb_nan();
  const float size = eb_abs(x);
  if (eb_abs(y) == eb_infinity()) {
    if (size == 1.0f) return 1.0f;
    return (size > 1.0f) == (y > 0) ? eb_infinity() : 0.0f;
  }
  const int32_t kind = parity(y), negative = eb_bits_of(x) >> 31 && kind == 1;
  if (size == 0.0f || size == eb_infinity()) {
    const float end = (size == 0.0f) == (y > 0) ? 0.0f : eb_infinity();
    return negative ? -end : end;
  }
  if (x < 0 && kind == 0) return eb_nan();
  const float value = exp2_of((double)y * log2_of(size));
  return negative ? -value : value;
}

EB_BINARY(eb_pow_float, eb_binary_float_layer, float, float, eb_clamp_real(eb_pow(a, b), l->low, l->high))
