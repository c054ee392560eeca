#include "binary.h"
#include "compare.h"

EB_BINARY(eb_compare_int64, eb_compare_layer, int64_t, uint8_t, l->accepted >> (a < b ? 0 : a == b ? 1 : a > b ? 2 : 3) & 1)
