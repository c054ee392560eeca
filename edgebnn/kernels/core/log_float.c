/* log. x = 2**k (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2), and with s = f / (2 + f)
 *   log(1 + f) = 2 artanh(s) = f - (f**2 / 2 - s (f**2 / 2 + R)),  R = 2/3 s**2 + 2/5 s**4 + ..., coefficients of minimal error. */
#include "float_bits.h"
#include "float_functions.h"
#include "unary.h"

float eb_log(float x) {
  uint32_t bits = eb_bits_of(x);
  int32_t k = 0;
  if (x != x || bits == 0x7f800000) return x;
  if ((bits & 0x7fffffff) == 0) return -eb_infinity();
  if (bits >> 31) return eb_nan();
  if (bits < 0x00800000) bits = eb_bits_of(x * 0x1p25f), k = -25;
  bits += 0x3f800000 - 0x3f3504f3; /* sqrt(1/2) to the start of an exponent */
  k += (int32_t)(bits >> 23) - 127;
  const float f = eb_float_of((bits & 0x007fffff) + 0x3f3504f3) - 1.0f;
  const float s = f / (2.0f + f), z = s * s, w = z * z;
  const float r = w * (0x1.999c26p-2f + w * 0x1.f13c4cp-3f) + z * (0x1.555554p-1f + w * 0x1.23d3dcp-2f);
  const float half = 0.5f * f * f, n = (float)k;
  return s * (half + r) + n * 9.0580006145e-06f - half + f + n * 6.9313812256e-01f;
}

EB_UNARY_KERNEL(log, eb_log(x))
