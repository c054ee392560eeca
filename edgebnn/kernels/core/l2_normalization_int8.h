/* L2_NORMALIZATION of int8 rows in fixed point; the output's scale is 1/128 and its zero point 0. In place if wanted. */
#ifndef EDGEBNN_L2_NORMALIZATION_INT8_H
#define EDGEBNN_L2_NORMALIZATION_INT8_H

#include <stdint.h>

typedef struct eb_l2_normalization_int8_layer {
  int32_t rows, depth;
  int32_t zero_point;
} eb_l2_normalization_int8_layer;

void eb_l2_normalization_int8(const eb_l2_normalization_int8_layer *layer, const int8_t *input, int8_t *output);

#endif
