/* SQUARED_DIFFERENCE of int8 tensors that broadcast: both are brought to twice the larger scale with 7 bits of headroom,
 * subtracted, squared and requantized. */
#ifndef EDGEBNN_SQUARED_DIFFERENCE_INT8_H
#define EDGEBNN_SQUARED_DIFFERENCE_INT8_H

#include <stdint.h>

#include "broadcast.h"

typedef struct eb_squared_difference_int8_layer {
  eb_broadcast shape;
  int32_t first_zero_point, first_multiplier, first_shift;
  int32_t second_zero_point, second_multiplier, second_shift;
  int32_t multiplier, shift, zero_point;
  int32_t low, high;
} eb_squared_difference_int8_layer;

void eb_squared_difference_int8(const eb_squared_difference_int8_layer *layer, const int8_t *first, const int8_t *second,
                                int8_t *output);

#endif
