/* BATCH_MATMUL of int8 tensors whose leading axes broadcast:
 *   acc = sum over k of (first[m][k] - first_zero_point) * (second[k][n] - second_zero_point), modulo 2**32
 *   output = clamp(requantize(acc, multiplier, shift) + zero_point, -128, 127) */
#ifndef EDGEBNN_BATCH_MATMUL_INT8_H
#define EDGEBNN_BATCH_MATMUL_INT8_H

#include <stdint.h>

#include "broadcast.h"

typedef struct eb_batch_matmul_int8_layer {
  eb_broadcast batches; /* the innermost axis is of size 1 and stands for a pair of matrices */
  int32_t rows, depth, columns;
  int32_t first_row, first_depth;     /* steps in the first operand */
  int32_t second_depth, second_column; /* and in the second one */
  int32_t first_zero_point, second_zero_point;
  int32_t multiplier, shift, zero_point;
} eb_batch_matmul_int8_layer;

void eb_batch_matmul_int8(const eb_batch_matmul_int8_layer *layer, const int8_t *first, const int8_t *second, int8_t *output);

#endif
