/* The square root, digit by digit, and so correctly rounded. */
#include "float_bits.h"
#include "float_functions.h"
#include "unary.h"

float eb_sqrt(float x) {
  if (x != x || x == 0.0f || eb_bits_of(x) == 0x7f800000) return x;
  if (x < 0.0f) return eb_nan();
  uint32_t bits = eb_bits_of(x);
  int32_t exponent = (int32_t)(bits >> 23) - 127;
  if (exponent == -127) bits = eb_bits_of(x * 0x1p24f), exponent = (int32_t)(bits >> 23) - 127 - 24;
  uint32_t rest = (bits & 0x007fffff) | 0x00800000;
  if (exponent & 1) rest <<= 1, exponent--;
  rest <<= 1;
  uint32_t root = 0, twice = 0; /* invariant: twice = 2 root, without the bit that is tried */
  for (uint32_t bit = 0x01000000; bit != 0; bit >>= 1) {
    const uint32_t tried = twice + bit;
    if (tried <= rest) {
      twice = tried + bit;
      rest -= tried;
      root += bit;
    }
    rest <<= 1;
  }
  root += rest != 0 ? root & 1 : 0; /* a half never occurs: the last digit rounds */
  return eb_float_of((root >> 1) + ((uint32_t)(exponent / 2 + 126) << 23));
}

EB_UNARY_KERNEL(sqrt, eb_sqrt(x))
EB_UNARY_KERNEL(rsqrt, 1.0f / eb_sqrt(x))
