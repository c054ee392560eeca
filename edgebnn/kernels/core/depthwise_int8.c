#include "depthwise_int8.h"

#include "requantize.h"

static uint32_t window_sum(const eb_depthwise_int8_layer *l, const int8_t *channel, const int8_t *weight, int32_t top,
                           int32_t left) {
  const eb_geometry *g = &l->geometry;
  uint32_t sum = 0;
  for (int32_t r = 0; r < g->filter_height; r++) {
    for (int32_t c = 0; c < g->filter_width; c++, weight += l->channels * l->multiplicity) {
      const int32_t y = top + r * g->dilation_height, x = left + c * g->dilation_width;
      if (y < 0 || y >= g->input_height || x < 0 || x >= g->input_width) continue;
      sum += (uint32_t)(*weight * (channel[(y * g->input_width + x) * l->channels] - l->input_zero_point));
    }
  }
  return sum;
}

void eb_depthwise_int8(const eb_depthwise_int8_layer *l, const int8_t *input, int8_t *output) {
  const eb_geometry *g = &l->geometry;
  for (int32_t n = 0; n < g->batches; n++, input += g->input_height * g->input_width * l->channels) {
    for (int32_t y = 0; y < g->output_height; y++) {
      for (int32_t x = 0; x < g->output_width; x++) {
        const int32_t top = y * g->stride_height - g->pad_top, left = x * g->stride_width - g->pad_left;
        for (int32_t c = 0, o = 0; c < l->channels; c++) {
          for (int32_t m = 0; m < l->multiplicity; m++, o++) {
            const int32_t *constant = l->constants + 3 * o;
            const uint32_t sum = window_sum(l, input + c, l->weights + o, top, left) + (uint32_t)constant[0];
            const int32_t scaled = eb_requantize((int32_t)sum, constant[1], constant[2]);
            *output++ = (int8_t)eb_clamp(scaled + l->output_zero_point, l->low, l->high);
          }
        }
      }
    }
  }
}
