/* MUL of int8 tensors that broadcast:
 *   output = clamp(requantize((first - first_zero_point) * (second - second_zero_point), multiplier, shift) + zero_point,
 *                  low, high) */
#ifndef EDGEBNN_MUL_INT8_H
#define EDGEBNN_MUL_INT8_H

#include <stdint.h>

#include "broadcast.h"

typedef struct eb_mul_int8_layer {
  eb_broadcast shape;
  int32_t first_zero_point, second_zero_point;
  int32_t multiplier, shift, zero_point;
  int32_t low, high;
} eb_mul_int8_layer;

/* The output may be an operand's memory if that moves with the output. */
void eb_mul_int8(const eb_mul_int8_layer *layer, const int8_t *first, const int8_t *second, int8_t *output);

#endif
