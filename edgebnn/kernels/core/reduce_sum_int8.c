#include "reduce.h"

/* How many thresholds are at most x, by bisection: of the 255, as many as 2**8 - 1. */
static int32_t reached(const int32_t *thresholds, int32_t x) {
  int32_t count = 0;
  for (int32_t step = 128; step > 0; step >>= 1) {
    if (thresholds[count + step - 1] <= x) count += step;
  }
  return count;
}

EB_REDUCE(eb_reduce_sum_int8, eb_reduce_sum_int8_layer, int8_t, int32_t, value + x, reached(l->thresholds, value) - 128)
