/* tanh(x) = e / (e + 2) with e = exp(2 x) - 1, for x >= 0. */
#include "float_bits.h"
#include "float_functions.h"
#include "unary.h"

float eb_tanh(float x) {
  const float size = eb_abs(x);
  if (size > 9.1f) return eb_copysign(1.0f, x);
  const float e = eb_expm1(2.0f * size);
  return eb_copysign(e / (e + 2.0f), x);
}

EB_UNARY_KERNEL(tanh, eb_tanh(x))
