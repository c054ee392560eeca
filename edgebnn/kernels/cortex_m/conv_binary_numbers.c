/* Counters as numbers, for outputs that are not packed. */
#include "conv_binary_tiles.h"

static void transpose_bytes(uint32_t words[8]) { eb_transpose_bytes(words); }

/* Of eight bits at a time those of a pixel are brought together in a byte. */
void eb_binary_read_counters(const eb_binary_tile *t, int32_t channel, int32_t x[EB_LANES]) {
  const uint32_t *counter = t->counters + channel * t->planes;
  uint32_t low[8], high[8];
  for (int32_t i = 0; i < 8; i++) low[i] = counter[i];
  for (int32_t i = 0; i < 3; i++) high[i] = counter[8 + i];
  for (int32_t i = 3; i < 8; i++) high[i] = 0;
  transpose_bytes(low);
  transpose_bytes(high);
  EB_ROLLED for (int32_t i = 0; i < 8; i++) {
    for (int32_t k = 0; k < 4; k++) x[i + 8 * k] = (int32_t)((low[i] >> 8 * k & 255) << 1 | (high[i] >> 8 * k & 255) << 9);
  }
  EB_ROLLED for (int32_t k = EB_LEAST_PLANES; k < t->planes; k++) {
    EB_ROLLED for (int32_t lane = 0; lane < EB_LANES; lane++) x[lane] |= (int32_t)((counter[k] >> lane & 1) << (k + 1));
  }
}

void eb_binary_add_padding(const eb_binary_tile *t, int32_t channel, const eb_padding_pixels *classes, int32_t count,
                           int32_t x[EB_LANES]) {
  EB_ROLLED for (int32_t k = 0; k < count; k++) {
    const int32_t sum = eb_binary_padding_sum(&t->layer->padding, t->channel + channel, classes[k].number);
    if (sum == 0) continue;
    uint32_t pixels = classes[k].pixels;
    EB_ROLLED for (int32_t *to = x; pixels != 0; pixels >>= 1, to++) {
      if (pixels & 1) *to += sum;
    }
  }
}
