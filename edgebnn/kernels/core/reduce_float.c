#include "reduce.h"

/* Each run has a sum of its own, so that errors grow with the runs' length and number, not with their product. */
void eb_reduce_sum_float(const eb_reduce_float_layer *l, const float *input, float *output) {
  const int32_t *outer = l->kept.axis + 3 * (l->kept.axes - 1), *inner = l->reduced.axis + 3 * (l->reduced.axes - 1);
  eb_broadcast_run run = {0};
  do {
    for (int32_t i = 0; i < outer[0]; i++) {
      const float *from = input + run.first + i * outer[1];
      float sum = l->initial;
      eb_broadcast_run within = {0};
      do {
        float part = 0.0f;
        for (int32_t k = 0; k < inner[0]; k++) part += from[within.first + k * inner[1]];
        sum += part;
      } while (eb_broadcast_next(&l->reduced, &within));
      *output++ = sum / l->count;
    }
  } while (eb_broadcast_next(&l->kept, &run));
}

EB_REDUCE(eb_reduce_max_float, eb_reduce_float_layer, float, float, x > value || x != x ? x : value, value)
EB_REDUCE(eb_reduce_min_float, eb_reduce_float_layer, float, float, x < value || x != x ? x : value, value)
EB_REDUCE(eb_reduce_prod_float, eb_reduce_float_layer, float, float, value *x, value)
