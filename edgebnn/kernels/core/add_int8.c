#include "add_int8.h"

#include "requantize.h"

enum { HEADROOM = 20 };

static int32_t scaled(int32_t q, int32_t zero_point, int32_t multiplier, int32_t shift) {
  return eb_requantize((q - zero_point) * (1 << HEADROOM), multiplier, shift);
}

static int32_t sum(const eb_add_int8_layer *l, int32_t first, int32_t second) {
  const int32_t x = scaled(first, l->first_zero_point, l->first_multiplier, l->first_shift);
  const int32_t y = scaled(second, l->second_zero_point, l->second_multiplier, l->second_shift);
  return eb_clamp(eb_requantize(x + l->sign * y, l->multiplier, l->shift) + l->zero_point, l->low, l->high);
}

void eb_add_int8(const eb_add_int8_layer *l, const int8_t *first, const int8_t *second, int8_t *output) {
  const int32_t *inner = l->shape.axis + 3 * (l->shape.axes - 1);
  eb_broadcast_run run = {0};
  do {
    for (int32_t i = 0, x = run.first, y = run.second; i < inner[0]; i++, x += inner[1], y += inner[2]) {
      *output++ = (int8_t)sum(l, first[x], second[y]);
    }
  } while (eb_broadcast_next(&l->shape, &run));
}
