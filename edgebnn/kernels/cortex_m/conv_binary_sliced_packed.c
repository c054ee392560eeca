/* Binary convolution in bit slices with packed output. */
#include "conv_binary_tiles.h"

/* Sets the counters of all pixels, or of some, of which they are 0. */
static void start_all(uint32_t *counter, int32_t planes, uint32_t value) {
  EB_ROLLED for (int32_t i = 0; i < planes; i++, value >>= 1) counter[i] = 0 - (value & 1);
}

static void start_some(uint32_t *counter, int32_t planes, uint32_t value, uint32_t pixels) {
  EB_ROLLED for (int32_t i = 0; i < planes; i++, value >>= 1) {
    if (value & 1) counter[i] |= pixels;
  }
}

static void start(const eb_binary_tile *t) {
  const eb_conv_binary_layer *l = t->layer;
  eb_padding_pixels *classes;
  const int32_t classes_there = eb_binary_find_padding(t, &classes);
  uint32_t *counter = t->counters;
  EB_ROLLED for (int32_t channel = t->channel; channel < t->channel + t->channels; channel++, counter += t->planes) {
    const uint32_t value = ((uint32_t)1 << (t->planes - 1)) - 1 - (uint32_t)l->output.thresholds[channel];
    if (classes_there == 0) {
      start_all(counter, t->planes, value);
      continue;
    }
    start_all(counter, t->planes, 0);
    EB_ROLLED for (int32_t k = 0; k < classes_there; k++) { /* the sum is even: there is no half a sign */
      const int32_t half = eb_binary_padding_sum(&l->padding, channel, classes[k].number) / 2;
      start_some(counter, t->planes, value + (uint32_t)half, classes[k].pixels);
    }
  }
}

static void write(const eb_binary_tile *t, void *output) {
  const int32_t channels_out = t->layer->channels_out, words = (channels_out + 31) / 32;
  uint32_t *const bits = t->slices->bits, *result = t->counters + t->planes - 1;
  EB_ROLLED for (int32_t channel = t->channel; channel < t->channel + t->channels; channel++, result += t->planes) {
    const int32_t bit = channel % EB_LANES;
    bits[bit] = *result;
    if (bit != EB_LANES - 1 && channel != channels_out - 1) continue;
    EB_ROLLED for (int32_t k = bit + 1; k < EB_LANES; k++) bits[k] = 0;
    eb_binary_transpose(bits);
    int32_t *to = (int32_t *)output + t->pixel * words + channel / EB_LANES;
    EB_ROLLED for (int32_t lane = 0; lane < t->pixels; lane++, to += words) *to = (int32_t)bits[lane];
  }
}

void eb_conv_binary_packed_sliced(const eb_conv_binary_layer *l, const int32_t *input, int32_t *output, void *scratch) {
  eb_binary_tiles(l, input, 1, start, write, scratch, output);
}
