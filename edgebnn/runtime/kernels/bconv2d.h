/* Shared by the parts of binary convolution; not for callers. */
#ifndef EDGEBNN_BCONV2D_H
#define EDGEBNN_BCONV2D_H

#include "kernels.h"

/* The tile functions, one for each line of the table. */
#define EB_BCONV2D_KERNEL(name, features, channel_tile, pixel_tile, flags)                                   \
  void eb_bconv2d_##name(const uint32_t *weights, const uint32_t *pixels, size_t words, int32_t pixel_count, \
                         int32_t *x, size_t stride);
#include "bconv2d.kernels"
#undef EB_BCONV2D_KERNEL

static inline size_t eb_align(size_t bytes) { return (bytes + EB_ALIGNMENT - 1) / EB_ALIGNMENT * EB_ALIGNMENT; }

/* Padding with zeros has no packed value: taps in the padding are computed as +1 and taken back. */
static inline int eb_pads_with_zeros(const eb_bconv2d *op) {
  return op->window.padding == EB_PADDING_SAME && op->pad_value == 0;
}

/* LCE's optimized kernels take the padding back after the multiplication, in float, and support it only there; its
 * reference kernel does it on the integer sum, for all outputs. */
static inline int eb_pads_after_transform(const eb_bconv2d *op) {
  return eb_pads_with_zeros(op) && op->output_type == EB_FLOAT32 && op->activation == EB_ACT_NONE;
}

/* Bytes of a thread's scratch, in this order: gathered windows, x = 2 * accum, and what padding takes back. */
typedef struct eb_bconv2d_scratch {
  size_t pixels_bytes, x_bytes, padding_bytes;
} eb_bconv2d_scratch;

static inline eb_bconv2d_scratch eb_bconv2d_scratch_of(const eb_bconv2d_plan *plan) {
  const size_t row = (size_t)plan->chunk_blocks * (size_t)plan->kernel->channel_tile * sizeof(int32_t);
  eb_bconv2d_scratch scratch;
  scratch.pixels_bytes = eb_align((size_t)plan->tile_pixels * (size_t)plan->words * sizeof(uint32_t));
  scratch.x_bytes = eb_align((size_t)plan->tile_pixels * row);
  scratch.padding_bytes = eb_pads_with_zeros(&plan->op) ? eb_align(row) : 0;
  return scratch;
}

#endif
