/* Small dense layers of float32. Of rows_block.h. */
#ifndef EDGEBNN_ROWS_DENSE_H
#define EDGEBNN_ROWS_DENSE_H

#include "clamp_float.h"
#include "numbers.h"
#include "rows_block.h"

/* Of the outputs of a row from `first` on, as many as stand side by side. */
EB_ROWS_INLINE void eb_dense_lanes(const eb_dense_float *op, const float *restrict x, int32_t first, float *restrict y) {
  const float *restrict w = op->packed + (size_t)first * (size_t)op->inputs;
  float sums[EB_DENSE_LANES] = {0};
  for (int32_t k = 0; k < op->inputs; k++, w += EB_DENSE_LANES) {
    for (int32_t lane = 0; lane < EB_DENSE_LANES; lane++) sums[lane] += x[k] * w[lane];
  }
  for (int32_t lane = 0; lane < eb_at_most(op->outputs - first, EB_DENSE_LANES); lane++) {
    const float sum = op->bias == NULL ? sums[lane] : sums[lane] + op->bias[first + lane];
    y[lane] = eb_clamp_real(sum, op->low, op->high);
  }
}

EB_ROWS_INLINE void eb_dense_tiles(const eb_dense_float *op, const float *input, float *output, int32_t begin,
                                   int32_t end) {
  const int32_t tiles = eb_ceil_div(op->outputs, EB_DENSE_LANES);
  for (int32_t tile = begin; tile < end; tile++) {
    const size_t row = (size_t)(tile / tiles);
    const int32_t first = tile % tiles * EB_DENSE_LANES;
    eb_dense_lanes(op, input + row * (size_t)op->inputs, first, output + row * (size_t)op->outputs + first);
  }
}

#endif
