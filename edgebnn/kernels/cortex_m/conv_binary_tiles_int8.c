/* Output of tiles in int8, from counters in bit slices. */
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

void eb_binary_write_int8(const eb_binary_tile *t, void *output) {
  const eb_conv_binary_layer *l = t->layer;
  int32_t *const x = t->numbers;
  const int32_t most = 2 * l->geometry.filter_height * l->geometry.filter_width * (l->channels_in / l->groups);
  const int clamps = l->output.low > 0 || l->output.high < most;
  const int32_t classes_there = eb_binary_find_padding(t), apart = t->apart * l->geometry.output_width * l->channels_out;
  int8_t *to = (int8_t *)output + t->pixel * l->channels_out + t->channel;
  EB_ROLLED for (int32_t i = 0; i < t->channels; i++) {
    const eb_binary_rescaling rescaling = eb_binary_rescaling_of(&l->output, t->channel + i);
    eb_binary_read_counters(t->counters + i * t->planes, t->planes, x);
    eb_binary_add_padding(t, i, classes_there, x);
    if (clamps) clamp(&rescaling, x, EB_LANES);
    EB_ROLLED for (int32_t run = 0; run < t->runs; run++) {
      rescale(&rescaling, x + run * t->lanes, t->pixels, to + i + run * apart, l->channels_out);
    }
  }
}
