/* Pooling of int8, four channels at a time. */
#include "pool_int8.h"

#include "dsp.h"

#if EB_HAS_DSP

#include "requantize.h"
#include "taps.h"

static uint32_t mean(int32_t sum, int32_t count) {
  const int32_t half = count >> 1;
  return (uint32_t)((sum < 0 ? sum - half : sum + half) / count); /* towards zero */
}

static uint32_t average(const eb_pool_int8_layer *l, const int8_t *channels, eb_taps taps) {
  const int32_t row = l->geometry.input_width * l->channels, width = taps.column_end - taps.column;
  const int32_t count = (taps.row_end - taps.row) * width;
  uint32_t even = 0, odd = 0;
  for (int32_t y = taps.row; y < taps.row_end; y++) {
    const int8_t *at = channels + y * row + taps.column * l->channels;
    for (int32_t left = width; left > 0; left--, at += l->channels) {
      const uint32_t word = eb_load_word(at);
      even = eb_add_even_bytes(even, word);
      odd = eb_add_odd_bytes(odd, word);
    }
  }
  return (mean((int16_t)even, count) & 0xff) | (mean((int16_t)odd, count) & 0xff) << 8 |
         (mean((int32_t)even >> 16, count) & 0xff) << 16 | mean((int32_t)odd >> 16, count) << 24;
}

static uint32_t maximum(const eb_pool_int8_layer *l, const int8_t *channels, eb_taps taps) {
  const int32_t row = l->geometry.input_width * l->channels;
  uint32_t most = 0x80808080;
  for (int32_t y = taps.row; y < taps.row_end; y++) {
    const int8_t *at = channels + y * row + taps.column * l->channels;
    for (int32_t left = taps.column_end - taps.column; left > 0; left--, at += l->channels) {
      most = eb_max_bytes(eb_load_word(at), most);
    }
  }
  return most;
}

static inline void pool(const eb_pool_int8_layer *l, const int8_t *input, int8_t *output,
                        uint32_t (*of)(const eb_pool_int8_layer *, const int8_t *, eb_taps)) {
  const eb_geometry *g = &l->geometry;
  const int clamps = l->low > -128 || l->high < 127;
  for (int32_t n = 0; n < g->batches; n++, input += g->input_height * g->input_width * l->channels) {
    for (int32_t y = 0; y < g->output_height; y++) {
      for (int32_t x = 0; x < g->output_width; x++, output += l->channels) {
        const eb_taps taps = eb_taps_at(g, y, x);
        for (int32_t c = 0; c < l->channels; c += 4) eb_store_word(output + c, of(l, input + c, taps));
        if (!clamps) continue;
        for (int32_t c = 0; c < l->channels; c++) output[c] = (int8_t)eb_clamp(output[c], l->low, l->high);
      }
    }
  }
}

void eb_average_pool_int8_dsp(const eb_pool_int8_layer *l, const int8_t *input, int8_t *output) {
  pool(l, input, output, average);
}

void eb_max_pool_int8_dsp(const eb_pool_int8_layer *l, const int8_t *input, int8_t *output) {
  pool(l, input, output, maximum);
}
#endif
