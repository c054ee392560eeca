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

/* ---- rows of the input, as row stationary kernels read them: with the padding at both ends, one after another --------- */

/* Columns of a row: those that the windows of a row of output cover. */
static inline int64_t eb_line_columns(const eb_window *w) {
  return (int64_t)(w->output_width - 1) * w->stride_width + w->filter_width;
}

/* Words of a row; each row is aligned. */
static inline int64_t eb_line_words(const eb_bconv2d_plan *plan) {
  const int64_t words = eb_line_columns(&plan->op.window) * plan->group_words * plan->kernel->row_lanes;
  enum { ALIGNED = EB_ALIGNMENT / sizeof(uint32_t) };
  return (words + ALIGNED - 1) / ALIGNED * ALIGNED;
}

/* Rows that `rows` rows of output need. */
static inline int64_t eb_lines_for(const eb_window *w, int32_t rows) {
  return (int64_t)(rows - 1) * w->stride_height + (int64_t)(w->filter_height - 1) * w->dilation_height + 1;
}

/* Whether a tile's rows can be counted with what they are counted with. */
static inline int eb_lines_are_counted(const eb_bconv2d_plan *plan) {
  const int64_t lines = eb_lines_for(&plan->op.window, plan->tile_rows), words = eb_line_words(plan);
  return words < INT32_MAX / 16 && lines < INT32_MAX / 16 / words;
}

/* The rows that the output rows [row_begin, row_end) of an image need, of a group's words. Padding is 0 (+1). */
void eb_bconv2d_stage_lines(const eb_bconv2d_plan *plan, const uint32_t *input, int32_t group, int32_t row_begin,
                            int32_t row_end, uint32_t *lines);

/* Bytes of a thread's scratch, in this order: gathered windows or rows, what padding takes back, where each pixel finds it, and
 * which taps it is for. */
typedef struct eb_bconv2d_scratch {
  size_t pixels_bytes, padding_bytes, pointers_bytes, patches_bytes;
} eb_bconv2d_scratch;

static inline eb_bconv2d_scratch eb_bconv2d_scratch_of(const eb_bconv2d_plan *plan) {
  const size_t pixels = (size_t)plan->blocking.tile_pixels;
  const size_t row = (size_t)plan->kernel->channel_tile * sizeof(int32_t);
  const int pads = eb_pads_with_zeros(&plan->op);
  eb_bconv2d_scratch scratch;
  const size_t words = plan->order == EB_ROW_STATIONARY
                           ? (size_t)(eb_lines_for(&plan->op.window, plan->tile_rows) * eb_line_words(plan))
                           : pixels * (size_t)plan->window_words;
  scratch.pixels_bytes = eb_align(words * sizeof(uint32_t));
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
