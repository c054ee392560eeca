/* Binary convolution by channel with packed output. */
#include "conv_binary_channels.h"

static void start(const eb_binary_block *b) {
  const int32_t *from = b->layer->output.thresholds + (b->padding_class * b->blocks + b->block) * b->planes;
  EB_ROLLED for (int32_t i = 0; i < b->planes; i++) b->counters[i] = (uint32_t)from[i];
}

static void write(const eb_binary_block *b, void *output) {
  const int32_t left = b->layer->channels_out - b->block * EB_LANES;
  const uint32_t counted = left < EB_LANES ? ((uint32_t)1 << left) - 1 : ~(uint32_t)0;
  ((int32_t *)output)[b->pixel * b->blocks + b->block] = (int32_t)(b->counters[b->planes - 1] & counted);
}

void eb_conv_binary_packed_by_channel(const eb_conv_binary_layer *l, const int32_t *input, int32_t *output, void *scratch) {
  eb_binary_blocks(l, input, 1, start, write, scratch, output);
}
