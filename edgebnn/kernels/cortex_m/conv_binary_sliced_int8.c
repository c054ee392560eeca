/* Binary convolution in bit slices with int8 output. */
#include "conv_binary_tiles.h"

/* The activation. */
static void clamp(const eb_binary_rescaling *r, int32_t *x, int32_t pixels) {
  EB_ROLLED for (int32_t i = 0; i < pixels; i++) x[i] = eb_binary_clamp(x[i], r->low, r->high);
}

/* One channel of some pixels, `stride` apart. */
static void rescale(const eb_binary_rescaling *r, const int32_t *x, int32_t pixels, int8_t *to, int32_t stride) {
  const int32_t *const end = x + pixels;
  if (r->lookup != NULL) {
    EB_ROLLED for (; x != end; x++, to += stride) *to = r->lookup[*x];
    return;
  }
  const uint32_t multiplier = r->multiplier, offset = r->offset;
  const int32_t shift = r->shift;
  EB_ROLLED for (; x != end; x++, to += stride) {
    const int32_t sum = (int32_t)((uint32_t)*x * multiplier + offset);
    *to = (int8_t)eb_binary_clamp(sum >> shift, -128, 127);
  }
}

static void write(const eb_binary_tile *t, void *output) {
  const eb_conv_binary_layer *l = t->layer;
  int32_t *const x = (int32_t *)t->slices->planes;
  eb_padding_pixels *classes;
  const int32_t most = 2 * l->geometry.filter_height * l->geometry.filter_width * (l->channels_in / l->groups);
  const int clamps = l->output.low > 0 || l->output.high < most;
  const int32_t classes_there = eb_binary_find_padding(t, &classes);
  int8_t *to = (int8_t *)output + t->pixel * l->channels_out + t->channel;
  EB_ROLLED for (int32_t i = 0; i < t->channels; i++) {
    const eb_binary_rescaling rescaling = eb_binary_rescaling_of(&l->output, t->channel + i);
    eb_binary_read_counters(t->counters + i * t->planes, t->planes, x);
    eb_binary_add_padding(t, i, classes, classes_there, x);
    if (clamps) clamp(&rescaling, x, t->pixels);
    rescale(&rescaling, x, t->pixels, to + i, l->channels_out);
  }
}

void eb_conv_binary_int8_sliced(const eb_conv_binary_layer *l, const int32_t *input, int8_t *output, void *scratch) {
  eb_binary_tiles(l, input, 0, eb_binary_start_zero, write, scratch, output);
}
