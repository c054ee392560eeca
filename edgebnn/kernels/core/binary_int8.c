#include "binary.h"
#include "binary_integer.h"

EB_BINARY(eb_maximum_int8, eb_binary_integer_layer, int8_t, int8_t, a > b ? a : b)
EB_BINARY(eb_minimum_int8, eb_binary_integer_layer, int8_t, int8_t, a < b ? a : b)
EB_BINARY(eb_maximum_uint8, eb_binary_integer_layer, uint8_t, uint8_t, a > b ? a : b)
EB_BINARY(eb_minimum_uint8, eb_binary_integer_layer, uint8_t, uint8_t, a < b ? a : b)
