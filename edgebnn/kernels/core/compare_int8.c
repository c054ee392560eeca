#include "binary.h"
#include "compare.h"
#include "requantize.h"

/* Bit 0, 1 or 2 of what is accepted. */
static int32_t order(const eb_compare_layer *l, int32_t a, int32_t b) {
  const int32_t first = eb_requantize((a - l->first_zero_point) * 256, l->first_multiplier, l->first_shift);
  const int32_t second = eb_requantize((b - l->second_zero_point) * 256, l->second_multiplier, l->second_shift);
  return first < second ? 0 : first == second ? 1 : 2;
}

EB_BINARY(eb_compare_int8, eb_compare_layer, int8_t, uint8_t, l->accepted >> order(l, a, b) & 1)
