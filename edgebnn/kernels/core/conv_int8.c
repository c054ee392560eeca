#include "conv_int8.h"

#include "requantize.h"

/* Of one output channel over the window with this corner; image: the first channel of its group. */
static uint32_t window_sum(const eb_conv_int8_layer *l, const int8_t *image, const int8_t *weight, int32_t top, int32_t left) {
  const eb_geometry *g = &l->geometry;
  uint32_t sum = 0;
  for (int32_t r = 0; r < g->filter_height; r++) {
    for (int32_t c = 0; c < g->filter_width; c++, weight += l->group_in) {
      const int32_t y = top + r * g->dilation_height, x = left + c * g->dilation_width;
      if (y < 0 || y >= g->input_height || x < 0 || x >= g->input_width) continue;
      const int8_t *pixel = image + (y * g->input_width + x) * l->groups * l->group_in;
      for (int32_t i = 0; i < l->group_in; i++) sum += (uint32_t)(weight[i] * (pixel[i] - l->input_zero_point));
    }
  }
  return sum;
}

/* All output channels of one pixel. */
static void window_outputs(const eb_conv_int8_layer *l, const int8_t *image, int32_t top, int32_t left, int8_t *output) {
  const int32_t taps = l->geometry.filter_height * l->geometry.filter_width;
  const int8_t *weights = l->weights;
  const int32_t *constant = l->constants;
  for (int32_t group = 0; group < l->groups; group++) {
    for (int32_t o = 0; o < l->group_out; o++, constant += 3, weights += taps * l->group_in) {
      const uint32_t sum = window_sum(l, image + group * l->group_in, weights, top, left) + (uint32_t)constant[0];
      const int32_t scaled = eb_requantize((int32_t)sum, constant[1], constant[2]);
      *output++ = (int8_t)eb_clamp(scaled + l->output_zero_point, l->low, l->high);
    }
  }
}

void eb_conv_int8(const eb_conv_int8_layer *l, const int8_t *input, int8_t *output) {
  const eb_geometry *g = &l->geometry;
  for (int32_t n = 0; n < g->batches; n++) {
    for (int32_t y = 0; y < g->output_height; y++) {
      for (int32_t x = 0; x < g->output_width; x++) {
        const int32_t top = y * g->stride_height - g->pad_top, left = x * g->stride_width - g->pad_left;
        window_outputs(l, input, top, left, output);
        output += l->groups * l->group_out;
      }
    }
    input += g->input_height * g->input_width * l->groups * l->group_in;
  }
}
