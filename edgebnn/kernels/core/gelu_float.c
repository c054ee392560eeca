/* The normal distribution's share below x. For x = -u <= 0 it is exp(-u**2 / 2) times a function that falls slowly, here a
 * polynomial of t = 2.5 / (2.5 + u) (weighted least squares, relative error 2e-8 for u <= 14.6), and so the tail keeps its
 * digits. */
#include "float_bits.h"
#include "float_functions.h"
#include "unary.h"

static const float coefficients[] = {
    0.03222764655947685f,  -0.17687393724918365f,  0.3824078440666199f, -0.3741001486778259f, 0.11947615444660187f,
    -0.026792701333761215f, 0.0913039818406105f, 0.13314911723136902f, 0.1596260964870453f,  0.15957596898078918f,
};

float eb_normal_cdf(float x) {
  const float u = eb_abs(x);
  if (!(u <= 14.6f)) return x > 0 ? 1.0f : x < 0 ? 0.0f : x;
  const float t = 2.5f / (2.5f + u);
  float slow = coefficients[0];
  for (int32_t k = 1; k < 10; k++) slow = slow * t + coefficients[k];
  const float coarse = eb_float_of(eb_bits_of(u) & 0xfffff000); /* its square is exact */
  const float tail = eb_exp(-0.5f * coarse * coarse) * eb_exp(-0.5f * (u - coarse) * (u + coarse)) * slow * t;
  return x < 0 ? tail : 1.0f - tail;
}

EB_UNARY_KERNEL(gelu, x * eb_normal_cdf(x))
