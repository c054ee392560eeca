#include "unary.h"

#include "clamp_float.h"
#include "float_bits.h"

/* Towards zero; from 2**23 on, and of infinities and NaN, there is nothing to cut. */
static float truncated(float x) { return eb_abs(x) < 0x1p23f ? eb_copysign((float)(int32_t)x, x) : x; }

static float rounded_down(float x) {
  const float whole = truncated(x);
  return whole > x ? whole - 1.0f : whole;
}

/* Adding 2**23 leaves no bits for a fraction, which is rounded to the nearest even number. */
static float rounded_to_even(float x) {
  return eb_abs(x) < 0x1p23f ? eb_copysign((eb_abs(x) + 0x1p23f) - 0x1p23f, x) : x;
}

EB_UNARY_KERNEL(abs, eb_abs(x))
EB_UNARY_KERNEL(neg, -x)
EB_UNARY_KERNEL(sign, x > 0 ? 1.0f : x < 0 ? -1.0f : x)
EB_UNARY_KERNEL(square, x *x)
EB_UNARY_KERNEL(floor, rounded_down(x))
EB_UNARY_KERNEL(ceil, -rounded_down(-x))
EB_UNARY_KERNEL(round, rounded_to_even(x))
EB_UNARY_KERNEL(clamp, eb_clamp_real(x, layer->first, layer->second))
EB_UNARY_KERNEL(leaky_relu, x > 0 ? x : x * layer->first)
EB_UNARY_KERNEL(hard_swish, x *eb_clamp_real(x + 3.0f, 0.0f, 6.0f) / 6.0f)
