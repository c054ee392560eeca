/* Products of float matrices whose leading axes broadcast, with a bias a column, clamped to [low, high]; NaN stays NaN. */
#ifndef EDGEBNN_MATMUL_FLOAT_H
#define EDGEBNN_MATMUL_FLOAT_H

#include <stdint.h>

#include "broadcast.h"

typedef struct eb_matmul_float_layer {
  eb_broadcast batches; /* the innermost axis is of size 1 and stands for a pair of matrices */
  int32_t rows, depth, columns;
  int32_t first_row, first_depth;      /* steps in the first operand */
  int32_t second_depth, second_column; /* and in the second one */
  const float *bias;                   /* [columns] or null */
  float low, high;
} eb_matmul_float_layer;

void eb_matmul_float(const eb_matmul_float_layer *layer, const float *first, const float *second, float *output);

#endif
