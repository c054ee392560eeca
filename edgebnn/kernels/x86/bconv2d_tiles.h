/* The outer loops of kernels that compute some pixels by two vectors of channels at a time. What includes this defines
 * before: LANES, the channels of a vector; CHANNEL_TILE, two of them; PIXEL_TILE, the pixels, at most six. */
#ifndef EDGEBNN_BCONV2D_TILES_H
#define EDGEBNN_BCONV2D_TILES_H

#include "../core/output_transform.h"

/* The first of what is left, cut into as few parts as can be, none longer than `most`, and of one length nearly. */
EB_INLINE size_t eb_next_part(size_t left, size_t most) {
  const size_t parts = (left + most - 1) / most;
  return (left + parts - 1) / parts;
}

/* x: [pixels][CHANNEL_TILE], of which one or two `vectors` of lanes are written; pixels and vectors are constants. */
typedef void (*eb_count_fn)(const eb_bconv2d_block *b, int32_t first, int pixels, int vectors, int32_t *x);

/* The last pixels of a block, fewer than PIXEL_TILE. */
EB_INLINE void eb_count_rest(const eb_bconv2d_block *b, int32_t first, int32_t pixels, int32_t *x, eb_count_fn count) {
  if (pixels == 1) count(b, first, 1, 2, x);
  if (PIXEL_TILE > 2 && pixels == 2) count(b, first, 2, 2, x);
  if (PIXEL_TILE > 3 && pixels == 3) count(b, first, 3, 2, x);
  if (PIXEL_TILE > 4 && pixels == 4) count(b, first, 4, 2, x);
  if (PIXEL_TILE > 5 && pixels == 5) count(b, first, 5, 2, x);
}

/* The whole kernel. */
EB_INLINE void eb_run_tiles(const eb_bconv2d_block *b, eb_count_fn count) {
  eb_require_bconv2d_block(b, CHANNEL_TILE, 1);
  _Alignas(EB_ALIGNMENT) int32_t x[PIXEL_TILE * CHANNEL_TILE];
  const int32_t whole = b->pixel_count / PIXEL_TILE * PIXEL_TILE;
  for (int32_t p = 0; p < whole; p += PIXEL_TILE) {
    if (b->channels <= LANES) {
      count(b, p, PIXEL_TILE, 1, x);
    } else {
      count(b, p, PIXEL_TILE, 2, x);
    }
    eb_write_output(b, p, PIXEL_TILE, x, CHANNEL_TILE);
  }
  if (whole == b->pixel_count) return;
  eb_count_rest(b, whole, b->pixel_count - whole, x, count);
  eb_write_output(b, whole, b->pixel_count - whole, x, CHANNEL_TILE);
}

#endif
