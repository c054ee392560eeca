/* Convolution with 1-bit weights and int8 activations written out: for each image, row, column and channel of output a sum over
 * the rows, columns and channels of the window. */
#include "conv_w1a8.h"

#include "requantize.h"

static int32_t words_of(int32_t signs) { return (signs + 31) / 32; }

/* +1, or -1 where the bit is set. */
static int32_t sign_of(const int32_t *words, int32_t bit) { return (uint32_t)words[bit / 32] >> bit % 32 & 1u ? -1 : 1; }

/* The row or column of a tap, or -1 in the padding. */
static int32_t place(int32_t output, int32_t stride, int32_t pad, int32_t tap, int32_t dilation, int32_t size) {
  const int32_t at = output * stride - pad + tap * dilation;
  return at < size ? at : -1;
}

/* The pixel of a tap, or NULL in the padding. */
static const int8_t *pixel_at(const eb_conv_w1a8_layer *layer, const int8_t *image, int32_t row, int32_t column, int32_t r,
                              int32_t c) {
  const eb_geometry *g = &layer->geometry;
  const int32_t y = place(row, g->stride_height, g->pad_top, r, g->dilation_height, g->input_height);
  const int32_t x = place(column, g->stride_width, g->pad_left, c, g->dilation_width, g->input_width);
  return y < 0 || x < 0 ? 0 : image + (y * g->input_width + x) * layer->channels_in;
}

static int32_t conv_sum(const eb_conv_w1a8_layer *layer, const int8_t *image, int32_t row, int32_t column, int32_t channel) {
  const eb_geometry *g = &layer->geometry;
  const int32_t depth = layer->channels_in / layer->groups;
  const int32_t first = channel / (layer->channels_out / layer->groups) * depth;
  const int32_t *weights = layer->weights + channel * g->filter_height * g->filter_width * words_of(depth);
  int32_t sum = 0;
  for (int32_t r = 0; r < g->filter_height; r++) {
    for (int32_t c = 0; c < g->filter_width; c++, weights += words_of(depth)) {
      const int8_t *pixel = pixel_at(layer, image, row, column, r, c);
      if (!pixel) continue;
      for (int32_t i = 0; i < depth; i++) sum += sign_of(weights, i) * (pixel[first + i] - layer->input_zero_point);
    }
  }
  return sum;
}

static int32_t depthwise_sum(const eb_conv_w1a8_layer *layer, const int8_t *image, int32_t row, int32_t column,
                             int32_t channel) {
  const eb_geometry *g = &layer->geometry;
  const int32_t *weights = layer->weights;
  int32_t sum = 0;
  for (int32_t r = 0; r < g->filter_height; r++) {
    for (int32_t c = 0; c < g->filter_width; c++, weights += words_of(layer->channels_out)) {
      const int8_t *pixel = pixel_at(layer, image, row, column, r, c);
      if (!pixel) continue;
      const int32_t value = pixel[channel / (layer->channels_out / layer->channels_in)];
      sum += sign_of(weights, channel) * (value - layer->input_zero_point);
    }
  }
  return sum;
}

static int8_t output_of(const eb_conv_w1a8_layer *layer, int32_t sum, int32_t channel) {
  const uint32_t product = (uint32_t)layer->magnitudes[channel] * (uint32_t)sum;
  const int32_t accumulator = (int32_t)(product + (uint32_t)layer->biases[channel]);
  const int32_t scaled = eb_requantize(accumulator, layer->multipliers[channel], layer->shifts[channel]);
  /* Clamped before the zero point is added, so that no sum leaves 32 bits. */
  const int32_t low = layer->output_min - layer->output_zero_point, high = layer->output_max - layer->output_zero_point;
  return (int8_t)(eb_clamp(scaled, low, high) + layer->output_zero_point);
}

typedef int32_t window_sum(const eb_conv_w1a8_layer *layer, const int8_t *image, int32_t row, int32_t column,
                           int32_t channel);

static void for_each_output(const eb_conv_w1a8_layer *layer, const int8_t *input, int8_t *output, window_sum *sum_of) {
  const eb_geometry *g = &layer->geometry;
  for (int32_t batch = 0; batch < g->batches; batch++) {
    const int8_t *image = input + batch * g->input_height * g->input_width * layer->channels_in;
    for (int32_t row = 0; row < g->output_height; row++) {
      for (int32_t column = 0; column < g->output_width; column++) {
        for (int32_t channel = 0; channel < layer->channels_out; channel++) {
          *output++ = output_of(layer, sum_of(layer, image, row, column, channel), channel);
        }
      }
    }
  }
}

void eb_conv_w1a8(const eb_conv_w1a8_layer *layer, const int8_t *input, int8_t *output) {
  for_each_output(layer, input, output, conv_sum);
}

void eb_depthwise_w1a8(const eb_conv_w1a8_layer *layer, const int8_t *input, int8_t *output) {
  for_each_output(layer, input, output, depthwise_sum);
}
