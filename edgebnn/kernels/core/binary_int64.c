#include "binary.h"
#include "binary_integer.h"

static int64_t clamped(const eb_binary_integer_layer *l, uint64_t x) {
  const int64_t wrapped = (int64_t)x;
  return wrapped < l->low ? l->low : wrapped > l->high ? l->high : wrapped;
}

#define EB_INT64(name, expression) EB_BINARY(eb_##name##_int64, eb_binary_integer_layer, int64_t, int64_t, expression)

EB_INT64(add, clamped(l, (uint64_t)a + (uint64_t)b))
EB_INT64(sub, clamped(l, (uint64_t)a - (uint64_t)b))
EB_INT64(mul, clamped(l, (uint64_t)a *(uint64_t)b))
EB_INT64(maximum, a > b ? a : b)
EB_INT64(minimum, a < b ? a : b)
