#include "reduce.h"

static int64_t rescaled(const eb_reduce_prod_int8_layer *l, int64_t value) {
  return (int32_t)((value * l->multiplier + ((int64_t)1 << (l->shift - 1))) >> l->shift);
}

static int64_t with_factor(const eb_reduce_prod_int8_layer *l, int64_t product, int8_t x) {
  const int64_t factor = x - l->input_zero_point;
  return product == EB_REDUCE_NO_FACTOR ? factor : rescaled(l, product * factor);
}

static int8_t output_of(const eb_reduce_prod_int8_layer *l, int64_t product) {
  const int32_t y = (int32_t)(rescaled(l, product) + l->output_zero_point);
  return (int8_t)(y < -128 ? -128 : y > 127 ? 127 : y);
}

EB_REDUCE(eb_reduce_prod_int8, eb_reduce_prod_int8_layer, int8_t, int64_t, with_factor(l, value, x), output_of(l, value))
