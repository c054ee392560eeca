#include "conv_binary_tiles.h"

void eb_binary_transpose(uint32_t words[EB_LANES]) { eb_transpose(words); }

eb_binary_place eb_binary_after(const eb_geometry *g, eb_binary_place p, int32_t pixels) {
  for (p.column += pixels; p.column >= g->output_width; p.column -= g->output_width) {
    if (++p.row == g->output_height) p.row = 0, p.batch++;
  }
  return p;
}

void eb_binary_start_zero(const eb_binary_tile *t) {
  EB_ROLLED for (int32_t i = 0; i < t->channels * t->planes; i++) t->counters[i] = 0;
}

int32_t eb_binary_find_padding(const eb_binary_tile *t) {
  const eb_binary_padding *padding = &t->layer->padding;
  eb_padding_pixels *const classes = t->classes;
  int32_t count = 0;
  if (padding->sums == NULL) return 0;
  EB_ROLLED for (int32_t run = 0; run < t->runs; run++) {
    eb_binary_place p = t->first;
    p.row += run * t->apart;
    EB_ROLLED for (int32_t lane = 0; lane < t->pixels; lane++) {
      const int32_t number = eb_binary_padding_class(padding, p.row, p.column);
      int32_t i = 0;
      EB_ROLLED while (i < count && classes[i].number != number) i++;
      if (i == count) classes[count].number = number, classes[count++].pixels = 0;
      classes[i].pixels |= (uint32_t)1 << (run * t->lanes + lane);
      p = eb_binary_after(&t->layer->geometry, p, 1);
    }
  }
  return count;
}

void eb_binary_add_padding(const eb_binary_tile *t, int32_t channel, int32_t count, int32_t x[EB_LANES]) {
  const eb_padding_pixels *const classes = t->classes;
  EB_ROLLED for (int32_t k = 0; k < count; k++) {
    const int32_t sum = eb_binary_padding_sum(&t->layer->padding, t->channel + channel, classes[k].number);
    if (sum == 0) continue;
    uint32_t pixels = classes[k].pixels;
    EB_ROLLED for (int32_t *to = x; pixels != 0; pixels >>= 1, to++) {
      if (pixels & 1) *to += sum;
    }
  }
}
