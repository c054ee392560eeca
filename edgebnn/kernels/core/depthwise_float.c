#include "clamp_float.h"
#include "conv_float.h"

/* Of output channel o over the window with this corner; channel: of the image. */
static float window_sum(const eb_conv_float_layer *l, const float *channel, const float *weights, int32_t top, int32_t left) {
  const eb_geometry *g = &l->geometry;
  float sum = 0.0f;
  for (int32_t r = 0; r < g->filter_height; r++) {
    for (int32_t c = 0; c < g->filter_width; c++) {
      const int32_t y = top + r * g->dilation_height, x = left + c * g->dilation_width;
      if (y < 0 || y >= g->input_height || x < 0 || x >= g->input_width) continue;
      sum += channel[(y * g->input_width + x) * l->channels_in] * weights[(r * g->filter_width + c) * l->channels_out];
    }
  }
  return sum;
}

void eb_depthwise_float(const eb_conv_float_layer *l, const float *input, const float *weights, float *output) {
  const eb_geometry *g = &l->geometry;
  const int32_t multiplicity = l->channels_out / l->channels_in;
  for (int32_t n = 0; n < g->batches; n++, input += g->input_height * g->input_width * l->channels_in) {
    for (int32_t y = 0; y < g->output_height; y++) {
      for (int32_t x = 0; x < g->output_width; x++) {
        const int32_t top = y * g->stride_height - g->pad_top, left = x * g->stride_width - g->pad_left;
        for (int32_t o = 0; o < l->channels_out; o++) {
          const float sum = window_sum(l, input + o / multiplicity, weights + o, top, left);
          *output++ = eb_clamp_real(l->bias ? sum + l->bias[o] : sum, l->low, l->high);
        }
      }
    }
  }
}
