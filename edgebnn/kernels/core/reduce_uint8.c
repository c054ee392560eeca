#include "reduce.h"

EB_REDUCE(eb_reduce_max_uint8, eb_reduce_integer_layer, uint8_t, uint8_t, x > value ? x : value, value)
EB_REDUCE(eb_reduce_min_uint8, eb_reduce_integer_layer, uint8_t, uint8_t, x < value ? x : value, value)
