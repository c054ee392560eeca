#include "pool_float.h"

#include <float.h>

#include "clamp_float.h"
#include "taps.h"

typedef float pooling(const eb_pool_float_layer *l, const float *channel, eb_taps taps);

static float average(const eb_pool_float_layer *l, const float *channel, eb_taps taps) {
  float sum = 0.0f;
  for (int32_t y = taps.row; y < taps.row_end; y++) {
    for (int32_t x = taps.column; x < taps.column_end; x++) {
      sum += channel[(y * l->geometry.input_width + x) * l->channels];
    }
  }
  return sum / (float)((taps.row_end - taps.row) * (taps.column_end - taps.column));
}

/* At least the lowest finite number; NaN if there is one. */
static float maximum(const eb_pool_float_layer *l, const float *channel, eb_taps taps) {
  float most = -FLT_MAX;
  for (int32_t y = taps.row; y < taps.row_end; y++) {
    for (int32_t x = taps.column; x < taps.column_end; x++) {
      const float value = channel[(y * l->geometry.input_width + x) * l->channels];
      if (value > most || value != value) most = value;
    }
  }
  return most;
}

static void pool(const eb_pool_float_layer *l, const float *input, float *output, pooling *of) {
  const eb_geometry *g = &l->geometry;
  for (int32_t n = 0; n < g->batches; n++, input += g->input_height * g->input_width * l->channels) {
    for (int32_t y = 0; y < g->output_height; y++) {
      for (int32_t x = 0; x < g->output_width; x++) {
        const eb_taps taps = eb_taps_at(g, y, x);
        for (int32_t c = 0; c < l->channels; c++) *output++ = eb_clamp_real(of(l, input + c, taps), l->low, l->high);
      }
    }
  }
}

void eb_average_pool_float(const eb_pool_float_layer *l, const float *input, float *output) {
  pool(l, input, output, average);
}

void eb_max_pool_float(const eb_pool_float_layer *l, const float *input, float *output) { pool(l, input, output, maximum); }
