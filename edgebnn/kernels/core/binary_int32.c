#include "binary.h"
#include "binary_integer.h"

static int32_t clamped(const eb_binary_integer_layer *l, uint32_t x) {
  const int32_t wrapped = (int32_t)x;
  return (int32_t)(wrapped < l->low ? l->low : wrapped > l->high ? l->high : wrapped);
}

static int32_t quotient(int32_t a, int32_t b) {
  return b == 0 ? 0 : b == -1 ? (int32_t)(0 - (uint32_t)a) : a / b;
}

static int32_t rounded_down(int32_t a, int32_t b) {
  const int32_t towards_zero = quotient(a, b);
  if (b == 0 || b == -1) return towards_zero;
  return a % b != 0 && (a < 0) != (b < 0) ? towards_zero - 1 : towards_zero;
}

#define EB_INT32(name, expression) EB_BINARY(eb_##name##_int32, eb_binary_integer_layer, int32_t, int32_t, expression)

EB_INT32(add, clamped(l, (uint32_t)a + (uint32_t)b))
EB_INT32(sub, clamped(l, (uint32_t)a - (uint32_t)b))
EB_INT32(mul, clamped(l, (uint32_t)a *(uint32_t)b))
EB_INT32(div, clamped(l, (uint32_t)quotient(a, b)))
EB_INT32(floor_div, rounded_down(a, b))
EB_INT32(maximum, a > b ? a : b)
EB_INT32(minimum, a < b ? a : b)
