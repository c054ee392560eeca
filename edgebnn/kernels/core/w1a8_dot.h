/* The outer loops of W1A8 convolution by dot products, for kernels whose tables are the inputs themselves and whose weights
 * are expanded to bytes of +1 and -1, [segments][tables][CHANNELS][4 inputs], of each segment an even number of tables.
 *
 * What includes this defines before: CHANNELS, of a block; TABLE_BYTES, of four inputs; PIXELS, at a time; ROW, pixels whose
 * sums are kept; and how to
 *   void add_whole(const int8_t *weights, const char *inputs, size_t tables, size_t stride, int32_t *sums);
 *     adds `tables` tables of PIXELS pixels, which lie stride bytes apart, to sums: [PIXELS][CHANNELS];
 *   void add_rest(const int8_t *weights, const char *inputs, size_t tables, size_t stride, int32_t pixels, int32_t *sums);
 *     the same of fewer pixels, or none;
 *   void write_pixel(const eb_w1a8_transform *t, int32_t first, int32_t count, const int32_t *sums, int8_t *output).
 */
#ifndef EDGEBNN_W1A8_DOT_H
#define EDGEBNN_W1A8_DOT_H

#include "w1a8_block.h"

/* Sums of `count` pixels from `first` on (at most ROW). */
static void sum_row(const eb_w1a8_block *b, int32_t first, int32_t count, int32_t *sums) {
  const int8_t *weights = b->weights;
  memset(sums, 0, (size_t)count * CHANNELS * sizeof(*sums));
  for (size_t s = 0; s < b->segment_count; s++) {
    const char *inputs = b->segments[s] + (size_t)first * b->pixel_stride;
    int32_t p = 0;
    for (; p + PIXELS <= count; p += PIXELS, inputs += PIXELS * b->pixel_stride) {
      add_whole(weights, inputs, b->segment_tables, b->pixel_stride, sums + p * CHANNELS);
    }
    add_rest(weights, inputs, b->segment_tables, b->pixel_stride, count - p, sums + p * CHANNELS);
    weights += (b->segment_tables + b->segment_tables % 2) * CHANNELS * TABLE_BYTES;
  }
}

static void run_row(const eb_w1a8_block *b) {
  _Alignas(EB_ALIGNMENT) int32_t sums[ROW * CHANNELS];
  for (int32_t first = 0; first < b->pixel_count; first += ROW) {
    const int32_t count = eb_at_most(b->pixel_count - first, ROW);
    sum_row(b, first, count, sums);
    for (int32_t p = 0; p < count; p++) {
      int8_t *output = b->output + (size_t)(first + p) * b->output_stride;
      write_pixel(&b->transform, 0, b->channels, sums + p * CHANNELS, output);
    }
  }
}

/* The kernel. */
EB_INLINE void eb_w1a8_dot_run(const eb_w1a8_block *b) {
  eb_require_w1a8_block(b, CHANNELS, TABLE_BYTES);
  eb_w1a8_each_row(b, run_row);
}

#endif
