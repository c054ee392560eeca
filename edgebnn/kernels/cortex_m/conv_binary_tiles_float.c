/* Float output of tiles, from counters in bit slices. */
#include "conv_binary_tiles.h"

void eb_binary_write_float(const eb_binary_tile *t, void *output) {
  const eb_conv_binary_layer *l = t->layer;
  int32_t *const x = t->numbers, *const padding = x + EB_LANES;
  const int32_t classes_there = eb_binary_find_padding(t), apart = t->apart * l->geometry.output_width * l->channels_out;
  for (int32_t i = 0; i < t->channels; i++) {
    eb_binary_read_counters(t->counters + i * t->planes, t->planes, x);
    EB_ROLLED for (int32_t lane = 0; lane < EB_LANES; lane++) padding[lane] = 0;
    eb_binary_add_padding(t, i, classes_there, padding);
    float *to = (float *)output + t->pixel * l->channels_out + t->channel + i;
    EB_ROLLED for (int32_t run = 0; run < t->runs; run++, to += apart) {
      float *pixel = to;
      const int32_t first = run * t->lanes;
      EB_ROLLED for (int32_t lane = first; lane < first + t->pixels; lane++, pixel += l->channels_out) {
        *pixel = eb_binary_float(l, t->channel + i, x[lane], padding[lane]);
      }
    }
  }
}
