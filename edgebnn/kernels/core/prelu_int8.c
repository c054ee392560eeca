#include "prelu_int8.h"

#include "binary.h"
#include "requantize.h"

static int32_t prelu(const eb_prelu_int8_layer *l, int32_t q, int32_t slope) {
  const int32_t x = q - l->input_zero_point;
  const int32_t y = x >= 0 ? eb_requantize(x, l->multiplier, l->shift)
                           : eb_requantize(x * (slope - l->slopes_zero_point), l->slope_multiplier, l->slope_shift);
  return eb_clamp(y + l->output_zero_point, -128, 127);
}

EB_BINARY(eb_prelu_int8, eb_prelu_int8_layer, int8_t, int8_t, prelu(l, a, b))
