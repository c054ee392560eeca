/* PRELU of an int8 tensor with slopes that broadcast. */
#ifndef EDGEBNN_PRELU_INT8_H
#define EDGEBNN_PRELU_INT8_H

#include <stdint.h>

#include "broadcast.h"

typedef struct eb_prelu_int8_layer {
  eb_broadcast shape;
  int32_t input_zero_point, slopes_zero_point, output_zero_point;
  int32_t multiplier, shift;             /* of inputs that are not negative */
  int32_t slope_multiplier, slope_shift; /* of products with a slope */
} eb_prelu_int8_layer;

void eb_prelu_int8(const eb_prelu_int8_layer *layer, const int8_t *input, const int8_t *slopes, int8_t *output);

#endif
