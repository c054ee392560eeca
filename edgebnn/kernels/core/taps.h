/* The windows of a layer one after the other, and which of their taps lie within the input. Without dilation. */
#ifndef EDGEBNN_TAPS_H
#define EDGEBNN_TAPS_H

#include "geometry.h"
#include "requantize.h"

/* The taps [row, row_end) x [column, column_end) of the input. */
typedef struct eb_taps {
  int32_t row, row_end, column, column_end;
} eb_taps;

/* Of output pixel (y, x). */
static inline eb_taps eb_taps_at(const eb_geometry *g, int32_t y, int32_t x) {
  const int32_t top = y * g->stride_height - g->pad_top, left = x * g->stride_width - g->pad_left;
  const eb_taps taps = {eb_clamp(top, 0, g->input_height), eb_clamp(top + g->filter_height, 0, g->input_height),
                        eb_clamp(left, 0, g->input_width), eb_clamp(left + g->filter_width, 0, g->input_width)};
  return taps;
}

#endif
