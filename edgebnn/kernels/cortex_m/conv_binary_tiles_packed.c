/* Packed output of tiles, from counters in bit slices. */
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

void eb_binary_start_packed(const eb_binary_tile *t) {
  const eb_conv_binary_layer *l = t->layer;
  const eb_padding_pixels *const classes = t->classes;
  const int32_t classes_there = eb_binary_find_padding(t);
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

void eb_binary_write_packed(const eb_binary_tile *t, void *output) {
  const int32_t channels_out = t->layer->channels_out, words = (channels_out + 31) / 32;
  const int32_t apart = t->apart * t->layer->geometry.output_width * words;
  uint32_t *const bits = t->bits, *result = t->counters + t->planes - 1;
  EB_ROLLED for (int32_t channel = t->channel; channel < t->channel + t->channels; channel++, result += t->planes) {
    const int32_t bit = channel % EB_LANES;
    bits[bit] = *result;
    if (bit != EB_LANES - 1 && channel != channels_out - 1) continue;
    EB_ROLLED for (int32_t k = bit + 1; k < EB_LANES; k++) bits[k] = 0;
    eb_binary_transpose(bits);
    int32_t *to = (int32_t *)output + t->pixel * words + channel / EB_LANES;
    EB_ROLLED for (int32_t run = 0; run < t->runs; run++, to += apart) {
      const uint32_t *from = bits + run * t->lanes;
      int32_t *pixel = to;
      EB_ROLLED for (int32_t i = 0; i < t->pixels; i++, pixel += words) *pixel = (int32_t)from[i];
    }
  }
}
