#include "reduce.h"

EB_REDUCE(eb_reduce_max_int8, eb_reduce_integer_layer, int8_t, int8_t, x > value ? x : value, value)
EB_REDUCE(eb_reduce_min_int8, eb_reduce_integer_layer, int8_t, int8_t, x < value ? x : value, value)
