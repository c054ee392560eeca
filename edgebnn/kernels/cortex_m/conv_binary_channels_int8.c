/* Binary convolution by channel with int8 output. */
#include "conv_binary_channels.h"

static void write(const eb_binary_block *b, void *output) {
  const eb_conv_binary_layer *l = b->layer;
  const int32_t first = b->block * EB_LANES, left = l->channels_out - first;
  int32_t x[EB_LANES];
  eb_binary_read_counters(b->counters, b->planes, x);
  int8_t *to = (int8_t *)output + b->pixel * l->channels_out + first;
  EB_ROLLED for (int32_t i = 0; i < EB_LANES && i < left; i++) {
    const int32_t padding = eb_binary_padding_sum(&l->padding, first + i, b->padding_class);
    const eb_binary_rescaling rescaling = eb_binary_rescaling_of(&l->output, first + i);
    to[i] = eb_binary_int8(&rescaling, x[i] + padding);
  }
}

void eb_conv_binary_int8_by_channel(const eb_conv_binary_layer *l, const int32_t *input, int8_t *output, void *scratch) {
  eb_binary_blocks(l, input, 0, eb_binary_start_block_zero, write, scratch, output);
}
