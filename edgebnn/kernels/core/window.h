/* Where a window lies on its image. */
#ifndef EDGEBNN_WINDOW_H
#define EDGEBNN_WINDOW_H

#include "kernels.h"

/* The window of one output pixel: its corner, and the taps [y_begin, y_end) x [x_begin, x_end) that hit the image. */
typedef struct eb_patch {
  int32_t batch;
  int32_t y, x; /* of tap (0, 0); negative in the padding */
  int32_t y_begin, y_end, x_begin, x_end;
} eb_patch;

/* The first tap at or past `limit`, of taps at start, start + dilation, ..., at most `taps`. */
static inline int32_t eb_taps_before(int32_t limit, int32_t start, int32_t dilation, int32_t taps) {
  if (start >= limit) return 0;
  const int64_t distance = (int64_t)limit - start;
  const int64_t before = dilation == 1 ? distance : (distance + dilation - 1) / dilation;
  return before < taps ? (int32_t)before : taps;
}

/* pixel counts through [batches, output_height, output_width]. */
static inline eb_patch eb_patch_at(const eb_window *w, int32_t pixel) {
  eb_patch patch;
  const int32_t row = pixel / w->output_width;
  patch.batch = row / w->output_height;
  patch.y = (row % w->output_height) * w->stride_height - w->pad_top;
  patch.x = (pixel % w->output_width) * w->stride_width - w->pad_left;
  patch.y_begin = eb_taps_before(0, patch.y, w->dilation_height, w->filter_height);
  patch.y_end = eb_taps_before(w->input_height, patch.y, w->dilation_height, w->filter_height);
  patch.x_begin = eb_taps_before(0, patch.x, w->dilation_width, w->filter_width);
  patch.x_end = eb_taps_before(w->input_width, patch.x, w->dilation_width, w->filter_width);
  return patch;
}

/* The output columns [begin, end) whose windows lie within the image's width; begin may be greater than end. */
typedef struct eb_columns {
  int32_t begin, end;
} eb_columns;

static inline eb_columns eb_inner_columns(const eb_window *w) {
  const int64_t reach = (int64_t)(w->filter_width - 1) * w->dilation_width; /* from the first tap to the last */
  const int64_t room = w->input_width - 1 - reach + w->pad_left;
  const int64_t begin = ((int64_t)w->pad_left + w->stride_width - 1) / w->stride_width;
  const int64_t end = room < 0 ? 0 : room / w->stride_width + 1;
  const eb_columns columns = {begin < w->output_width ? (int32_t)begin : w->output_width,
                              end < w->output_width ? (int32_t)end : w->output_width};
  return columns;
}

static inline int eb_patch_is_padded(const eb_patch *patch, const eb_window *w) {
  return patch->y_begin > 0 || patch->x_begin > 0 || patch->y_end < w->filter_height || patch->x_end < w->filter_width;
}

#endif
