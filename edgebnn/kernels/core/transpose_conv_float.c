#include "clamp_float.h"
#include "conv_float.h"

/* Which pixel meets the output in tap `tap` of its filter: along one axis; -1 if none does. */
static int32_t meets(int32_t output, int32_t pad, int32_t tap, int32_t stride, int32_t size) {
  const int32_t at = output + pad - tap;
  return at >= 0 && at % stride == 0 && at / stride < size ? at / stride : -1;
}

static float pixel_sum(const eb_conv_float_layer *l, const float *image, const float *weight, int32_t y, int32_t x) {
  const eb_geometry *g = &l->geometry;
  float sum = 0.0f;
  for (int32_t r = 0; r < g->filter_height; r++) {
    const int32_t row = meets(y, g->pad_top, r, g->stride_height, g->output_height);
    for (int32_t c = 0; c < g->filter_width; c++, weight += l->channels_in) {
      const int32_t column = meets(x, g->pad_left, c, g->stride_width, g->output_width);
      if (row < 0 || column < 0) continue;
      const float *pixel = image + (row * g->output_width + column) * l->channels_in;
      float part = 0.0f;
      for (int32_t i = 0; i < l->channels_in; i++) part += weight[i] * pixel[i];
      sum += part;
    }
  }
  return sum;
}

void eb_transpose_conv_float(const eb_conv_float_layer *l, const float *weights, const float *input, float *output) {
  const eb_geometry *g = &l->geometry;
  const int32_t filter = g->filter_height * g->filter_width * l->channels_in;
  for (int32_t n = 0; n < g->batches; n++, input += g->output_height * g->output_width * l->channels_in) {
    for (int32_t y = 0; y < g->input_height; y++) {
      for (int32_t x = 0; x < g->input_width; x++) {
        for (int32_t o = 0; o < l->channels_out; o++) {
          const float sum = pixel_sum(l, input, weights + o * filter, y, x);
          *output++ = eb_clamp_real(l->bias ? sum + l->bias[o] : sum, l->low, l->high);
        }
      }
    }
  }
}
