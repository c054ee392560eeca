#include "binary.h"
#include "binary_integer.h"

static int16_t clamped(const eb_binary_integer_layer *l, int32_t x) {
  const int16_t wrapped = (int16_t)x;
  return (int16_t)(wrapped < l->low ? l->low : wrapped > l->high ? l->high : wrapped);
}

EB_BINARY(eb_add_int16, eb_binary_integer_layer, int16_t, int16_t, clamped(l, a + b))
EB_BINARY(eb_mul_int16, eb_binary_integer_layer, int16_t, int16_t, clamped(l, a *b))
