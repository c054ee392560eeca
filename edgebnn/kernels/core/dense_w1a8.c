#include "dense_w1a8.h"

#include "dense_w1a8_output.h"

void eb_dense_w1a8(const eb_dense_w1a8_layer *layer, const int8_t *input, int8_t *output) {
  const int32_t words = (layer->depth + 31) / 32;
  for (int32_t row = 0; row < layer->rows; row++, input += layer->depth) {
    for (int32_t channel = 0; channel < layer->outputs; channel++) {
      const int32_t *signs = layer->weights + channel * words;
      int32_t sum = 0;
      for (int32_t i = 0; i < layer->depth; i++) sum += (uint32_t)signs[i / 32] >> i % 32 & 1u ? -input[i] : input[i];
      *output++ = eb_dense_w1a8_output(layer, channel, sum);
    }
  }
}
