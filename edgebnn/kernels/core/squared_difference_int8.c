#include "squared_difference_int8.h"

#include "binary.h"
#include "requantize.h"

static int32_t square(const eb_squared_difference_int8_layer *l, int32_t a, int32_t b) {
  const int32_t first = eb_requantize((a - l->first_zero_point) * 128, l->first_multiplier, l->first_shift);
  const int32_t second = eb_requantize((b - l->second_zero_point) * 128, l->second_multiplier, l->second_shift);
  const int32_t product = (first - second) * (first - second); /* operands are halved: below 2**30 */
  return eb_clamp(eb_requantize(product, l->multiplier, l->shift) + l->zero_point, l->low, l->high);
}

EB_BINARY(eb_squared_difference_int8, eb_squared_difference_int8_layer, int8_t, int8_t, square(l, a, b))
