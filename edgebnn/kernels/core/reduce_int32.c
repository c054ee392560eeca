#include "reduce.h"

#define EB_INT32(name, wide, expression) \
  EB_REDUCE(eb_reduce_##name##_int32, eb_reduce_integer_layer, int32_t, wide, expression, value)

EB_INT32(sum, uint32_t, value + (uint32_t)x)
EB_INT32(prod, uint32_t, value *(uint32_t)x)
EB_INT32(max, int32_t, x > value ? x : value)
EB_INT32(min, int32_t, x < value ? x : value)
