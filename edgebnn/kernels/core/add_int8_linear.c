#include "add_int8.h"

#include "requantize.h"

void eb_add_int8_linear(const eb_add_int8_linear_layer *l, const int8_t *first, const int8_t *second, int8_t *output) {
  const int32_t a = l->first_factor, b = l->second_factor, c = l->addend, shift = l->shift, low = l->low, high = l->high;
  const int32_t *inner = l->shape.axis + 3 * (l->shape.axes - 1);
  eb_broadcast_run run = {0};
  do {
    for (int32_t i = 0, x = run.first, y = run.second; i < inner[0]; i++, x += inner[1], y += inner[2]) {
      *output++ = (int8_t)eb_clamp((a * first[x] + b * second[y] + c) >> shift, low, high);
    }
  } while (eb_broadcast_next(&l->shape, &run));
}
