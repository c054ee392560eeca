/* Comparisons of two tensors that broadcast; the output is 1 where they hold. */
#ifndef EDGEBNN_COMPARE_H
#define EDGEBNN_COMPARE_H

#include <stdint.h>

#include "broadcast.h"

typedef struct eb_compare_layer {
  eb_broadcast shape;
  int32_t accepted; /* bit 0: less, 1: equal, 2: greater, 3: neither, as of NaN */
  /* Of int8 operands, which are compared as (q - zero_point) * 256 requantized by their scales. */
  int32_t first_zero_point, first_multiplier, first_shift;
  int32_t second_zero_point, second_multiplier, second_shift;
} eb_compare_layer;

void eb_compare_float(const eb_compare_layer *layer, const float *first, const float *second, uint8_t *output);
void eb_compare_int32(const eb_compare_layer *layer, const int32_t *first, const int32_t *second, uint8_t *output);
void eb_compare_int64(const eb_compare_layer *layer, const int64_t *first, const int64_t *second, uint8_t *output);
void eb_compare_int8(const eb_compare_layer *layer, const int8_t *first, const int8_t *second, uint8_t *output);

#endif
