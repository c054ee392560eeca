/* W1A8 convolution in plain C. A table holds, for four inputs x, the 16 sums of +x and -x as int16: bit i of the index
 * set takes x[i] with a minus. Two indices a byte, eight channels side by side.
 */
#include "w1a8_depthwise.h"

enum { CHANNEL_TILE = 8, TABLE_INPUTS = 4, ENTRIES = 16, LANE_TABLES = 2 };

static void stage(const int8_t *input, int32_t inputs, void *tables) {
  int16_t *table = tables;
  for (int32_t first = 0; first < inputs; first += TABLE_INPUTS, table += ENTRIES) {
    table[0] = 0;
    int16_t x[TABLE_INPUTS] = {0};
    for (int32_t i = 0; i < TABLE_INPUTS && first + i < inputs; i++) {
      x[i] = input[first + i];
      table[0] = (int16_t)(table[0] + x[i]);
    }
    for (int i = 0; i < TABLE_INPUTS; i++) {
      for (int e = 0; e < 1 << i; e++) table[(1 << i) + e] = (int16_t)(table[e] - 2 * x[i]);
    }
  }
}

void eb_w1a8_portable_stage(const eb_w1a8_pixels *pixels) { eb_w1a8_stage_each(pixels, stage); }

EB_INLINE void add(const uint8_t *restrict lane, const int16_t *restrict table, int shift, int32_t *restrict sums) {
  for (int c = 0; c < CHANNEL_TILE; c++) sums[c] += table[lane[c] >> shift & (ENTRIES - 1)];
}

static void sum_pixel(const eb_w1a8_block *b, size_t offset, int32_t *sums) {
  const uint8_t *lane = b->weights;
  memset(sums, 0, CHANNEL_TILE * sizeof(*sums));
  for (size_t s = 0; s < b->segment_count; s++) {
    const int16_t *table = (const int16_t *)(const void *)(b->segments[s] + offset);
    for (size_t t = 0; t < b->segment_tables; t += LANE_TABLES, lane += CHANNEL_TILE) {
      add(lane, table + t * ENTRIES, 0, sums);
      if (t + 1 < b->segment_tables) add(lane, table + (t + 1) * ENTRIES, 4, sums);
    }
  }
}

static void run_row(const eb_w1a8_block *b) {
  for (int32_t p = 0; p < b->pixel_count; p++) {
    int32_t sums[CHANNEL_TILE];
    sum_pixel(b, (size_t)p * b->pixel_stride, sums);
    int8_t *output = b->output + (size_t)p * b->output_stride;
    for (int32_t c = 0; c < b->channels; c++) output[c] = eb_w1a8_output(&b->transform, c, sums[c]);
  }
}

void eb_w1a8_portable(const eb_w1a8_block *b) {
  eb_require_w1a8_block(b, CHANNEL_TILE, ENTRIES * sizeof(int16_t));
  eb_w1a8_each_row(b, run_row);
}

EB_INLINE void write_channels(const eb_w1a8_transform *t, int32_t first, int32_t count, const int32_t *sums,
                              int8_t *output) {
  for (int32_t c = 0; c < count; c++) output[c] = eb_w1a8_output(t, first + c, sums[c]);
}

void eb_w1a8_portable_depthwise(const eb_w1a8_depthwise *d) { eb_depthwise_run(d, write_channels); }
