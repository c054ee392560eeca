#include "binary.h"
#include "compare.h"

EB_BINARY(eb_compare_float, eb_compare_layer, float, uint8_t, l->accepted >> (a < b ? 0 : a == b ? 1 : a > b ? 2 : 3) & 1)
