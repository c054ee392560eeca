#include "add_int8.h"

#include "requantize.h"

void eb_add_int8_linear(const eb_add_int8_linear_layer *l, const int8_t *first, const int8_t *second, int8_t *output) {
  const int32_t a = l->first_factor, b = l->second_factor, c = l->addend, shift = l->shift, low = l->low, high = l->high;
  const int32_t *inner = l->shape.axis + 3 * (l->shape.axes - 1);
  const int32_t x_step = inner[1], y_step = inner[2];
  eb_broadcast_run run = {0};
  do {
    const int8_t *x = first + run.first, *y = second + run.second;
    for (const int8_t *end = output + inner[0]; output < end; x += x_step, y += y_step) {
      *output++ = (int8_t)eb_clamp((a * *x + b * *y + c) >> shift, low, high);
    }
  } while (eb_broadcast_next(&l->shape, &run));
}
