/* What the variants of dense_w1a8.h share. */
#ifndef EDGEBNN_DENSE_W1A8_OUTPUT_H
#define EDGEBNN_DENSE_W1A8_OUTPUT_H

#include "dense_w1a8.h"

static inline int8_t eb_dense_w1a8_output(const eb_dense_w1a8_layer *layer, int32_t channel, int32_t sum) {
  const int32_t *constants = layer->constants + 6 * channel;
  const int32_t accumulator = (int32_t)((uint32_t)constants[0] * (uint32_t)sum + (uint32_t)constants[1]);
  const int64_t addend = (int64_t)((uint64_t)(uint32_t)constants[3] | (uint64_t)(uint32_t)constants[4] << 32);
  const int64_t y = ((int64_t)accumulator * constants[2] + addend) >> constants[5];
  return (int8_t)(y < layer->low ? layer->low : y > layer->high ? layer->high : y);
}

#endif
