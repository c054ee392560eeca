/* core/float_output.h as a function, for test_float_output.py. */
#include "float_output.h"
#include "w1a8_block.h"

int32_t exercise_float_output(const int32_t *fields, double factor, const int32_t *sums, int32_t count, int32_t *exact,
                              int32_t *by_floats, float *guard);

/* A channel of fields magnitude, bias, zero point, rounding. exact, by_floats: outputs of the sums, clamped; where floats are in
 * doubt the latter is 1000. Whether the guard, of which doubt is at most one sum in eight, is one that layers are given. */
int32_t exercise_float_output(const int32_t *fields, double factor, const int32_t *sums, int32_t count, int32_t *exact,
                              int32_t *by_floats, float *guard) {
  const eb_w1a8_fixed f = eb_w1a8_fix_point(factor);
  const eb_w1a8_transform t = {.magnitude = fields, .bias = fields + 1, .multiplier = &f.multiplier, .left = &f.left,
                               .right = &f.right, .factor = &factor, .rounding = fields[3], .zero_point = fields[2],
                               .min = -128, .max = 127};
  const int once = fields[3] == EB_ROUND_ONCE;
  const double real = once ? factor : f.multiplier * (double)((int64_t)1 << f.left) / (double)((int64_t)1 << (31 + f.right));
  double most = 0.0;
  for (int32_t i = 0; i < count; i++) {
    const double size = sums[i] < 0 ? -(double)sums[i] : (double)sums[i];
    most = size > most ? size : most;
  }
  const eb_real_output y = {fields[0] * real, fields[1] * real + fields[2], most, once ? -1 : f.right};
  *guard = eb_float_guard(&y);
  const float a = (float)y.scale, b = eb_float_offset(&y, *guard);
  for (int32_t i = 0; i < count; i++) {
    exact[i] = eb_w1a8_output(&t, 0, sums[i]);
    const float product = (float)sums[i] * a, u = product + b;
    const int32_t truncated = u > 1000.0f ? 1000 : u < -1000.0f ? -1000 : (int32_t)u;
    const int32_t whole = truncated - ((float)truncated > u);
    by_floats[i] = u < 1000.0f && u > -1000.0f && u - (float)whole < *guard ? 1000
                   : whole < -128                                         ? -128
                   : whole > 127                                          ? 127
                                                                          : whole;
  }
  return *guard <= EB_MOST_FLOAT_GUARD;
}
