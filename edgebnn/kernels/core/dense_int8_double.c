#include "bytes.h"
#include "dense_int8_output.h"

/* Halves away from zero, and cut off where the output is clamped anyway. */
static int32_t rounded(double x) {
  if (x > 1024) return 1024;
  if (x < -1024) return -1024;
  const int32_t whole = (int32_t)x;
  const double rest = x - whole;
  return whole + (rest >= 0.5) - (rest <= -0.5);
}

void eb_dense_int8_double(const eb_dense_int8_layer *l, const int8_t *input, int8_t *output) {
  for (int32_t row = 0; row < l->rows; row++, input += l->depth) {
    for (int32_t o = 0; o < l->outputs; o++) {
      double factor;
      memcpy(&factor, l->factors + 2 * o, sizeof factor);
      const int32_t steps = rounded((double)eb_dense_int8_sum(l, o, input) * factor);
      *output++ = (int8_t)eb_clamp(steps + l->output_zero_point, l->low, l->high);
    }
  }
}
