/* The outer loops of kernels that compute some pixels by two vectors of channels at a time. */
#ifndef EDGEBNN_BCONV2D_TILES_H
#define EDGEBNN_BCONV2D_TILES_H

#include "../core/output_transform.h"

enum { EB_MOST_PIXELS = 6 };

/* x: [pixels][channel_tile], of which one or two `vectors` of lanes are written; pixels and vectors are constants. */
typedef void (*eb_count_fn)(const eb_bconv2d_block *b, int32_t first, int pixels, int vectors, int32_t *x);

/* The last pixels of a block, fewer than pixel_tile. */
EB_INLINE void eb_count_rest(const eb_bconv2d_block *b, int32_t first, int32_t pixels, int32_t pixel_tile, int32_t *x,
                             eb_count_fn count) {
  if (pixels == 1) count(b, first, 1, 2, x);
  if (pixel_tile > 2 && pixels == 2) count(b, first, 2, 2, x);
  if (pixel_tile > 3 && pixels == 3) count(b, first, 3, 2, x);
  if (pixel_tile > 4 && pixels == 4) count(b, first, 4, 2, x);
  if (pixel_tile > 5 && pixels == 5) count(b, first, 5, 2, x);
}

/* The whole kernel; all but the block are constants, pixel_tile at most 6, channel_tile two times lanes. */
EB_INLINE void eb_run_tiles(const eb_bconv2d_block *b, int32_t lanes, int32_t channel_tile, int32_t pixel_tile,
                            eb_count_fn count) {
  eb_require_bconv2d_block(b, channel_tile, 1);
  _Alignas(EB_ALIGNMENT) int32_t x[EB_MOST_PIXELS * EB_MOST_CHANNEL_TILE];
  const int32_t whole = b->pixel_count / pixel_tile * pixel_tile;
  for (int32_t p = 0; p < whole; p += pixel_tile) {
    if (b->channels <= lanes) {
      count(b, p, pixel_tile, 1, x);
    } else {
      count(b, p, pixel_tile, 2, x);
    }
    eb_write_output(b, p, pixel_tile, x, channel_tile);
  }
  if (whole == b->pixel_count) return;
  eb_count_rest(b, whole, b->pixel_count - whole, pixel_tile, x, count);
  eb_write_output(b, whole, b->pixel_count - whole, x, channel_tile);
}

#endif
