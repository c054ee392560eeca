#include "reduce.h"

#define EB_INT64(name, wide, expression) \
  EB_REDUCE(eb_reduce_##name##_int64, eb_reduce_integer_layer, int64_t, wide, expression, value)

EB_INT64(sum, uint64_t, value + (uint64_t)x)
EB_INT64(prod, uint64_t, value *(uint64_t)x)
EB_INT64(max, int64_t, x > value ? x : value)
EB_INT64(min, int64_t, x < value ? x : value)
