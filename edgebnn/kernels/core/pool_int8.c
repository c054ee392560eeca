#include "pool_int8.h"

#include "requantize.h"
#include "taps.h"

typedef int32_t pooling(const eb_pool_int8_layer *l, const int8_t *channel, eb_taps taps);

static int32_t average(const eb_pool_int8_layer *l, const int8_t *channel, eb_taps taps) {
  const int32_t count = (taps.row_end - taps.row) * (taps.column_end - taps.column);
  int32_t sum = 0;
  for (int32_t y = taps.row; y < taps.row_end; y++) {
    for (int32_t x = taps.column; x < taps.column_end; x++) {
      sum += channel[(y * l->geometry.input_width + x) * l->channels];
    }
  }
  return (sum < 0 ? sum - count / 2 : sum + count / 2) / count; /* C divides towards zero */
}

static int32_t maximum(const eb_pool_int8_layer *l, const int8_t *channel, eb_taps taps) {
  int32_t most = -128;
  for (int32_t y = taps.row; y < taps.row_end; y++) {
    for (int32_t x = taps.column; x < taps.column_end; x++) {
      const int32_t value = channel[(y * l->geometry.input_width + x) * l->channels];
      if (value > most) most = value;
    }
  }
  return most;
}

static void pool(const eb_pool_int8_layer *l, const int8_t *input, int8_t *output, pooling *of) {
  const eb_geometry *g = &l->geometry;
  for (int32_t n = 0; n < g->batches; n++, input += g->input_height * g->input_width * l->channels) {
    for (int32_t y = 0; y < g->output_height; y++) {
      for (int32_t x = 0; x < g->output_width; x++) {
        const eb_taps taps = eb_taps_at(g, y, x);
        for (int32_t c = 0; c < l->channels; c++) *output++ = (int8_t)eb_clamp(of(l, input + c, taps), l->low, l->high);
      }
    }
  }
}

void eb_average_pool_int8(const eb_pool_int8_layer *l, const int8_t *input, int8_t *output) {
  pool(l, input, output, average);
}

void eb_max_pool_int8(const eb_pool_int8_layer *l, const int8_t *input, int8_t *output) { pool(l, input, output, maximum); }
