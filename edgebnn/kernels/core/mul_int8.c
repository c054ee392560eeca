#include "mul_int8.h"

#include "requantize.h"

void eb_mul_int8(const eb_mul_int8_layer *l, const int8_t *first, const int8_t *second, int8_t *output) {
  const int32_t *inner = l->shape.axis + 3 * (l->shape.axes - 1);
  eb_broadcast_run run = {0};
  do {
    for (int32_t i = 0, x = run.first, y = run.second; i < inner[0]; i++, x += inner[1], y += inner[2]) {
      const int32_t product = (first[x] - l->first_zero_point) * (second[y] - l->second_zero_point);
      *output++ = (int8_t)eb_clamp(eb_requantize(product, l->multiplier, l->shift) + l->zero_point, l->low, l->high);
    }
  } while (eb_broadcast_next(&l->shape, &run));
}
