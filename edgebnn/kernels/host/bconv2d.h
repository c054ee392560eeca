/* Shared by the parts of binary convolution; not for callers. */
#ifndef EDGEBNN_BCONV2D_H
#define EDGEBNN_BCONV2D_H

#include "../core/bconv2d_block.h"
#include "../core/numbers.h"
#include "../core/window.h"

/* Padding with zeros has no packed value: taps in the padding are computed as +1 and taken back. */
static inline int eb_pads_with_zeros(const eb_bconv2d *op) {
  return op->window.padding == EB_PADDING_SAME && op->pad_value == 0;
}

/* LCE's optimized kernels take the padding back after the multiplication, in float, and support it only there; its
 * reference kernel does it on the integer sum, for all outputs. */
static inline int eb_pads_after_transform(const eb_bconv2d *op) {
  return eb_pads_with_zeros(op) && op->output_type == EB_FLOAT32 && op->activation == EB_ACT_NONE;
}

/* Bytes of a thread's scratch, in this order: gathered windows, what padding takes back, where each pixel finds it, and
 * which taps it is for. */
typedef struct eb_bconv2d_scratch {
  size_t pixels_bytes, padding_bytes, pointers_bytes, patches_bytes;
} eb_bconv2d_scratch;

static inline eb_bconv2d_scratch eb_bconv2d_scratch_of(const eb_bconv2d_plan *plan) {
  const size_t pixels = (size_t)plan->blocking.tile_pixels;
  const size_t row = (size_t)plan->kernel->channel_tile * sizeof(int32_t);
  const int pads = eb_pads_with_zeros(&plan->op);
  eb_bconv2d_scratch scratch;
  scratch.pixels_bytes = eb_align(pixels * (size_t)plan->window_words * sizeof(uint32_t));
  scratch.padding_bytes = pads ? eb_align(pixels * row) : 0;
  scratch.pointers_bytes = pads ? eb_align(pixels * sizeof(int32_t *)) : 0;
  scratch.patches_bytes = pads ? eb_align(pixels * sizeof(eb_patch)) : 0;
  return scratch;
}

/* Bytes of a block's weights. */
static inline size_t eb_block_bytes(const eb_bconv2d_plan *plan) {
  const eb_bconv2d_kernel *kernel = plan->kernel;
  return eb_align((size_t)plan->window_words * (size_t)kernel->channel_tile * (size_t)kernel->lane_bytes);
}

/* ---- gathering: the windows of consecutive output pixels as rows of consecutive words, padding filled in --------------- */

/* Whether windows lie in the input as the kernel wants them: one tap, every pixel, nothing to fill in. */
int eb_bconv2d_reads_in_place(const eb_bconv2d_plan *plan);

/* Windows of a group's output pixels [pixel_begin, pixel_end): rows of plan->window_words words. Padding is 0 (+1). */
void eb_bconv2d_gather(const eb_bconv2d_plan *plan, const uint32_t *input, int32_t group, int32_t pixel_begin,
                       int32_t pixel_end, uint32_t *windows);

#endif
