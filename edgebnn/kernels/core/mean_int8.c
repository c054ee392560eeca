#include "mean_int8.h"

#include "requantize.h"

static int32_t sum(const eb_broadcast *reduced, const int8_t *from) {
  const int32_t *inner = reduced->axis + 3 * (reduced->axes - 1);
  eb_broadcast_run run = {0};
  int32_t total = 0;
  do {
    const int8_t *at = from + run.first;
    for (int32_t i = 0; i < inner[0]; i++, at += inner[1]) total += *at;
  } while (eb_broadcast_next(reduced, &run));
  return total;
}

void eb_mean_int8(const eb_mean_int8_layer *l, const int8_t *input, int8_t *output) {
  const int32_t *inner = l->shape.axis + 3 * (l->shape.axes - 1);
  eb_broadcast_run run = {0};
  do {
    for (int32_t i = 0, at = run.first; i < inner[0]; i++, at += inner[1]) {
      const int32_t centred = sum(&l->reduced, input + at) - l->input_offset;
      *output++ = (int8_t)eb_clamp(eb_requantize(centred, l->multiplier, l->shift) + l->output_zero_point, -128, 127);
    }
  } while (eb_broadcast_next(&l->shape, &run));
}
