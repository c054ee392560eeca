#include "transpose_conv_int8.h"

#include "requantize.h"

/* Where windows that hold a pixel begin: the first input row (column), and the tap that meets the pixel there. */
typedef struct meeting {
  int32_t first, tap;
} meeting;

/* From the meeting of the pixel before to that of the next one. */
static meeting next(meeting at, int32_t stride, int32_t filter) {
  at.tap++;
  while (at.tap >= filter) at.tap -= stride, at.first++;
  return at;
}

static uint32_t pixel_sum(const eb_transpose_conv_int8_layer *l, const int8_t *image, const int8_t *weights, meeting row,
                          meeting column) {
  const eb_geometry *g = &l->geometry;
  uint32_t sum = 0;
  for (int32_t y = row.first, r = row.tap; r >= 0 && y < g->output_height; y++, r -= g->stride_height) {
    for (int32_t x = column.first, c = column.tap; c >= 0 && x < g->output_width; x++, c -= g->stride_width) {
      const int8_t *pixel = image + (y * g->output_width + x) * l->channels_in;
      const int8_t *weight = weights + (r * g->filter_width + c) * l->channels_in;
      for (int32_t i = 0; i < l->channels_in; i++) sum += (uint32_t)(weight[i] * (pixel[i] - l->input_zero_point));
    }
  }
  return sum;
}

void eb_transpose_conv_int8(const eb_transpose_conv_int8_layer *l, const int8_t *input, int8_t *output) {
  const eb_geometry *g = &l->geometry;
  const int32_t filter = g->filter_height * g->filter_width * l->channels_in;
  for (int32_t n = 0; n < g->batches; n++, input += g->output_height * g->output_width * l->channels_in) {
    meeting row = next((meeting){0, g->pad_top - 1}, g->stride_height, g->filter_height);
    for (int32_t y = 0; y < g->input_height; y++, row = next(row, g->stride_height, g->filter_height)) {
      meeting column = next((meeting){0, g->pad_left - 1}, g->stride_width, g->filter_width);
      for (int32_t x = 0; x < g->input_width; x++, column = next(column, g->stride_width, g->filter_width)) {
        for (int32_t o = 0; o < l->channels_out; o++) {
          const int32_t *constant = l->constants + 3 * o;
          const uint32_t sum = pixel_sum(l, input, l->weights + o * filter, row, column) + (uint32_t)constant[0];
          const int32_t scaled = eb_requantize((int32_t)sum, constant[1], constant[2]);
          *output++ = (int8_t)eb_clamp(scaled + l->output_zero_point, l->low, l->high);
        }
      }
    }
  }
}
