/* What the variants of dense_int8.h share. */
#ifndef EDGEBNN_DENSE_INT8_OUTPUT_H
#define EDGEBNN_DENSE_INT8_OUTPUT_H

#include "dense_int8.h"
#include "requantize.h"

/* Of one row and one output, the bias included. */
static inline int32_t eb_dense_int8_sum(const eb_dense_int8_layer *l, int32_t o, const int8_t *input) {
  const int8_t *weight = l->weights + o * l->depth;
  uint32_t sum = (uint32_t)l->constants[5 * o];
  for (int32_t k = 0; k < l->depth; k++) sum += (uint32_t)((weight[k] - l->weights_zero_point) * input[k]);
  return (int32_t)sum;
}

static inline int8_t eb_dense_int8_output(const eb_dense_int8_layer *l, int32_t o, int32_t sum) {
  const int32_t *constant = l->constants + 5 * o;
  const int64_t addend = (int64_t)((uint64_t)(uint32_t)constant[2] | (uint64_t)(uint32_t)constant[3] << 32);
  return (int8_t)eb_clamp((int32_t)(((int64_t)sum * constant[1] + addend) >> constant[4]), l->low, l->high);
}

#endif
