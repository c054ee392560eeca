/* sin and cos. The angle is reduced to [-pi / 4, pi / 4] in integers, whatever its size (Payne and Hanek, "Radian reduction for
 * trigonometric functions", SIGNUM Newsletter 18, 1983): of x * 2 / pi only the bits from the units of 4 downwards matter. */
#include "float_bits.h"
#include "float_functions.h"
#include "unary.h"

/* Of 2 / pi, from the first bit behind the point on. */
static const uint32_t two_over_pi[] = {0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561};

/* 32 bits of it from bit `first` on; those in front of the point are 0. */
static uint32_t bits_from(int32_t first) {
  if (first <= -32) return 0;
  if (first < 0) return two_over_pi[0] >> -first;
  const uint32_t *word = two_over_pi + first / 32;
  return first % 32 == 0 ? word[0] : word[0] << first % 32 | word[1] >> (32 - first % 32);
}

typedef struct angle {
  int32_t quarter; /* turns, modulo 4 */
  float rest;      /* radians */
} angle;

/* |x| >= pi / 4, finite: x = m 2**e with an m of 24 bits. */
static angle reduced(float x) {
  const int32_t exponent = (int32_t)(eb_bits_of(x) >> 23 & 0xff) - 150, first = exponent - 2;
  const uint64_t m = (eb_bits_of(x) & 0x007fffff) | 0x00800000;
  /* m times 96 bits, modulo 2**96: 2 bits of quarters, 94 of fractions, of which 64 are used. */
  const uint64_t low = m * bits_from(first + 64), middle = m * bits_from(first + 32) + (low >> 32);
  const uint32_t high = (uint32_t)(m * bits_from(first)) + (uint32_t)(middle >> 32);
  const uint64_t fraction = (uint64_t)high << 34 | (uint64_t)(uint32_t)middle << 2 | (uint32_t)low >> 30;
  const int32_t up = (int32_t)(fraction >> 63);
  const float quarters = (float)(int64_t)fraction * 0x1p-64f; /* -1/2 to 1/2 */
  const angle positive = {(int32_t)(high >> 30) + up, quarters * 1.57079637f};
  const angle negative = {-positive.quarter, -positive.rest};
  return x < 0 ? negative : positive;
}

/* Cephes' polynomials for |x| <= pi / 4. */
static float sine(float x) {
  const float z = x * x;
  return x + x * z * (-1.6666654611e-1f + z * (8.3321608736e-3f - z * 1.9515295891e-4f));
}

static float cosine(float x) {
  const float z = x * x;
  return 1.0f - 0.5f * z + z * z * (4.166664568298827e-2f - z * (1.388731625493765e-3f - z * 2.443315711809948e-5f));
}

/* sin(x + quarters of a turn) */
static float shifted(float x, int32_t quarters) {
  if (!(eb_abs(x) < eb_infinity())) return eb_nan();
  angle a = {0, x};
  if (eb_abs(x) > 0.785398f) a = reduced(x);
  const int32_t quarter = (a.quarter + quarters) & 3;
  const float value = quarter & 1 ? cosine(a.rest) : sine(a.rest);
  return quarter & 2 ? -value : value;
}

float eb_sin(float x) { return shifted(x, 0); }
float eb_cos(float x) { return shifted(x, 1); }

EB_UNARY_KERNEL(sin, eb_sin(x))
EB_UNARY_KERNEL(cos, eb_cos(x))
