/* Binary convolution in bit slices with float output. */
#include "conv_binary_tiles.h"

static void write(const eb_binary_tile *t, void *output) {
  const eb_conv_binary_layer *l = t->layer;
  int32_t *const x = (int32_t *)t->slices->planes, *const padding = x + EB_LANES;
  eb_padding_pixels *classes;
  const int32_t classes_there = eb_binary_find_padding(t, &classes);
  for (int32_t i = 0; i < t->channels; i++) {
    eb_binary_read_counters(t->counters + i * t->planes, t->planes, x);
    EB_ROLLED for (int32_t lane = 0; lane < EB_LANES; lane++) padding[lane] = 0;
    eb_binary_add_padding(t, i, classes, classes_there, padding);
    float *to = (float *)output + t->pixel * l->channels_out + t->channel + i;
    EB_ROLLED for (int32_t lane = 0; lane < t->pixels; lane++, to += l->channels_out) {
      *to = eb_binary_float(l, t->channel + i, x[lane], padding[lane]);
    }
  }
}

void eb_conv_binary_float_sliced(const eb_conv_binary_layer *l, const int32_t *input, float *output, void *scratch) {
  eb_binary_tiles(l, input, 0, eb_binary_start_zero, write, scratch, output);
}
