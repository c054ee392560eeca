/* int8 outputs by floats, where the exact output is not in doubt. Sums become outputs by integers, rounded the way TFLite's
 * reference kernels do, which takes a dozen operations a sum; by floats it takes seven, and they tell when they may be wrong.
 *
 * Let t = sum * scale + offset be the output in real numbers, zero point included. The exact one is the nearest integer, clamped,
 * unless t lies within `doubt` of a half: EB_ROUND_TWICE rounds sum * multiplier / 2^31 to an integer and this, halves away from
 * zero, to steps of 2^right, so what it decides by is off t by 2^-(right + 1) at most; EB_ROUND_ONCE decides by a double. With
 *   a = float(scale), b = float(offset + 1/2 + guard / 2), u = float(float(sum * a) + b)
 * floor(u) is that integer if u - floor(u) >= guard and u is off its real number by guard / 2 - doubt at most: then u - guard / 2
 * is further than `doubt` from where the integer changes. Else integers tell.
 *
 * How far off is u? Where outputs are not clamped, |t| <= 2^8, so |sum * scale| <= 2^8 + |offset|. A rounding is off by 2^-24 of
 * what is rounded at most; there are those of a, of the product (but where it is fused with the sum), of b and of the sum, of
 * at most |offset| + 2^8 + 2 each:
 *   error <= 4 * 2^-24 * (|offset| + 2^8 + 2).
 * Beyond, the error is as small a part of what is rounded, and the output is clamped in any case.
 */
#ifndef EDGEBNN_FLOAT_OUTPUT_H
#define EDGEBNN_FLOAT_OUTPUT_H

#include "bconv2d_block.h"

/* A layer whose guard is greater is left to integers: of 32 outputs, one in four would be in doubt. */
#define EB_MOST_FLOAT_GUARD 0x1p-7f

/* A channel's output in real numbers, whose sums are at most `most` in size; right: as of eb_w1a8_fixed, or below 0 if it is
 * rounded once. */
typedef struct eb_real_output {
  double scale, offset, most;
  int32_t right;
} eb_real_output;

/* The least guard that the channel's outputs need; infinite where floats do not hold them. */
EB_INLINE float eb_float_guard(const eb_real_output *y) {
  const double size = y->offset < 0 ? -y->offset : y->offset;
  if (y->most >= 0x1p24 || y->most * y->scale + size >= 0x1p20) return __builtin_inff();
  const double doubt = y->right < 0 ? 0x1p-40 : 0.5 / (double)((int64_t)1 << y->right);
  return (float)(2.001 * (doubt + 0x1p-22 * (size + 258.0)));
}

EB_INLINE float eb_float_offset(const eb_real_output *y, float guard) {
  return (float)(y->offset + 0.5 + (double)guard / 2);
}

#endif
