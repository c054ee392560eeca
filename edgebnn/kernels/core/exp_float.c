/* exp and expm1. x = n ln 2 + r with |r| <= ln 2 / 2; exp(r) by the continued fraction of r coth(r / 2), whose first terms
 * are even in r: exp(r) = 1 + 2 r / (2 - c) with c = r - r**2 (P1 + P2 r**2), coefficients of minimal error. */
#include "float_bits.h"
#include "float_functions.h"
#include "unary.h"

#define EB_LN2_HIGH 0x1.62e4p-1f /* 16 bits: its products by n are exact */
#define EB_LN2_LOW 0x1.7f7d1cp-20f

static int32_t nearest(float x) { return (int32_t)(x + (x < 0 ? -0.5f : 0.5f)); }

float eb_exp(float x) {
  if (x != x) return x;
  if (x > 88.72284f) return eb_infinity();
  if (x < -103.98f) return 0.0f;
  const int32_t n = nearest(x * 1.44269504f);
  const float high = x - (float)n * EB_LN2_HIGH, low = (float)n * EB_LN2_LOW;
  const float r = high - low, square = r * r;
  const float c = r - square * (1.6666625440e-1f - square * 2.7667332906e-3f);
  const float y = 1.0f + (r * c / (2.0f - c) - low + high);
  if (n > 127) return y * 2.0f * eb_power_of_two(127);
  if (n < -125) return y * eb_power_of_two(n + 100) * eb_power_of_two(-100);
  return y * eb_power_of_two(n);
}

/* Near 0, where exp(x) - 1 would lose its bits, by the Taylor series. */
float eb_expm1(float x) {
  if (!(eb_abs(x) < 0.5f)) return eb_exp(x) - 1.0f;
  float sum = 1.0f / 40320;
  static const float factorials[] = {1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f};
  for (int32_t k = 0; k < 6; k++) sum = sum * x + factorials[k];
  return x + x * x * sum;
}

EB_UNARY_KERNEL(exp, eb_exp(x))
EB_UNARY_KERNEL(elu, x < 0 ? eb_expm1(x) : x)
EB_UNARY_KERNEL(logistic, 1.0f / (1.0f + eb_exp(-x)))
