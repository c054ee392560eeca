/* The outer loops of W1A8 convolution by dot products, for kernels whose tables are the inputs themselves: packed weights
 * become bytes of +1 and -1 before they are used, CHUNK tables at a time and once for up to ROW pixels of a row.
 *
 * What includes this defines before: CHANNELS, of a block; TABLE_BYTES, of four inputs; PIXELS, at a time; ROW and CHUNK; and
 * how to
 *   void expand(const uint8_t *lanes, size_t tables, int8_t *weights);
 *     weights: [tables][CHANNELS][4 inputs], an odd number of tables rounded up;
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
  _Alignas(EB_ALIGNMENT) int8_t weights[CHUNK * CHANNELS * TABLE_BYTES];
  const uint8_t *lanes = b->weights;
  memset(sums, 0, (size_t)count * CHANNELS * sizeof(*sums));
  for (size_t s = 0; s < b->segment_count; s++) {
    const char *inputs = b->segments[s] + (size_t)first * b->pixel_stride;
    for (size_t tables = b->segment_tables; tables > 0;) {
      const size_t some = tables < CHUNK ? tables : CHUNK;
      expand(lanes, some, weights);
      int32_t p = 0;
      for (; p + PIXELS <= count; p += PIXELS) {
        add_whole(weights, inputs + (size_t)p * b->pixel_stride, some, b->pixel_stride, sums + p * CHANNELS);
      }
      add_rest(weights, inputs + (size_t)p * b->pixel_stride, some, b->pixel_stride, count - p, sums + p * CHANNELS);
      lanes += (some + 1) / 2 * CHANNELS;
      inputs += some * TABLE_BYTES;
      tables -= some;
    }
  }
}

/* The kernel. */
EB_INLINE void eb_w1a8_dot_run(const eb_w1a8_block *b) {
  eb_require_w1a8_block(b, CHANNELS, TABLE_BYTES);
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

#endif
