/* What row stationary kernels share: how the rows of output that they compute are cut into segments. */
#ifndef EDGEBNN_BCONV2D_ROWS_H
#define EDGEBNN_BCONV2D_ROWS_H

#include "output_transform.h"

/* Pixels of a segment, whose sums stay in the first-level cache: a part of a row of output, or some whole rows. */
enum { EB_SEGMENT = 64 };

/* What there is of a segment in one row of output: where the first pixel's window begins, how many pixels, and where their
 * sums go, [pixels][channel tile of the kernel], from the first channel on that is computed. */
typedef struct eb_stretch {
  const uint32_t *from;
  int32_t pixels;
  int32_t *x;
} eb_stretch;

/* Computes some channels, from `channel` on, of all stretches. */
typedef void (*eb_stretches_fn)(const eb_bconv2d_block *b, int32_t channel, const eb_stretch *stretches, int32_t count);

EB_INLINE void eb_advance(eb_stretch *at, const eb_bconv2d_block *b, int32_t pixels, int32_t channel_tile) {
  at->from += (size_t)pixels * b->pixel_stride;
  at->x += pixels * channel_tile;
  at->pixels -= pixels;
}

/* How many pixels from `first` on make a segment. */
EB_INLINE int32_t eb_segment_from(const eb_bconv2d_block *b, int32_t first) {
  if (b->columns > EB_SEGMENT) return eb_at_most(b->columns - first % b->columns, EB_SEGMENT);
  return eb_at_most(EB_SEGMENT / b->columns * b->columns, b->pixel_count - first);
}

EB_INLINE int32_t eb_find_stretches(const eb_bconv2d_block *b, int32_t first, int32_t pixels, int32_t channel_tile,
                                    int32_t *x, eb_stretch *stretches) {
  const int32_t in_row = eb_at_most(b->columns, pixels);
  int32_t count = 0;
  for (int32_t pixel = first; pixel < first + pixels; pixel += in_row, x += in_row * channel_tile) {
    const size_t row = (size_t)(pixel / b->columns), column = (size_t)(pixel % b->columns);
    stretches[count++] = (eb_stretch){b->lines + row * b->line_step + column * b->pixel_stride, in_row, x};
  }
  return count;
}

/* The whole kernel; all but the block are constants. run computes `channels` channels at a time. */
EB_INLINE void eb_run_segments(const eb_bconv2d_block *b, int32_t channel_tile, int32_t channels, eb_stretches_fn run) {
  _Alignas(EB_ALIGNMENT) int32_t x[EB_SEGMENT * EB_MOST_CHANNEL_TILE];
  eb_stretch stretches[EB_SEGMENT];
  eb_require_bconv2d_block(b, channel_tile, 1);
  for (int32_t first = 0, pixels; first < b->pixel_count; first += pixels) {
    pixels = eb_segment_from(b, first);
    const int32_t count = eb_find_stretches(b, first, pixels, channel_tile, x, stretches);
    for (int32_t channel = 0; channel < b->channels; channel += channels) {
      run(b, channel, stretches, count);
      for (int32_t i = 0; i < count; i++) stretches[i].x += channels;
    }
    eb_write_output(b, first, pixels, x, channel_tile);
  }
}

#endif
