/* Convolution with 1-bit weights and int8 activations written out: for each image, row, column and channel of output a sum
 * over the rows, columns and channels of the window. */
#include "reference.h"
#include "w1a8_block.h"

/* +1, or -1 where the bit of the weight is set. */
static int32_t weight_of(const eb_w1a8 *op, const int32_t *filter, int32_t channel, int32_t tap, int32_t input) {
  const int32_t taps = op->window.filter_height * op->window.filter_width;
  const int32_t signs = op->depthwise ? op->channels_out : op->channels_in / op->groups;
  const size_t pixel = op->depthwise ? (size_t)tap : (size_t)channel * (size_t)taps + (size_t)tap;
  const int32_t bit = op->depthwise ? channel : input;
  const uint32_t word = (uint32_t)filter[pixel * (size_t)eb_packed_words(signs) + (size_t)(bit / 32)];
  return (word >> bit % 32 & 1u) ? -1 : 1;
}

/* The sum over the window of w * (x - zx); taps in the padding are zx, so they add nothing. */
static int32_t sum_window(const eb_w1a8 *op, const int8_t *input, const int32_t *filter, int32_t batch, int32_t row,
                          int32_t column, int32_t channel) {
  const eb_window *w = &op->window;
  const int32_t groups = op->depthwise ? op->channels_in : op->groups;
  const int32_t depth = op->channels_in / groups, first = channel / (op->channels_out / groups) * depth;
  int32_t sum = 0;
  for (int32_t fy = 0; fy < w->filter_height; fy++) {
    for (int32_t fx = 0; fx < w->filter_width; fx++) {
      const int32_t y = row * w->stride_height - w->pad_top + fy * w->dilation_height;
      const int32_t x = column * w->stride_width - w->pad_left + fx * w->dilation_width;
      if (y < 0 || y >= w->input_height || x < 0 || x >= w->input_width) continue;
      const size_t pixel = ((size_t)batch * (size_t)w->input_height + (size_t)y) * (size_t)w->input_width + (size_t)x;
      const int8_t *values = input + pixel * (size_t)op->channels_in + first;
      for (int32_t i = 0; i < depth; i++) {
        sum += weight_of(op, filter, channel, fy * w->filter_width + fx, i) * (values[i] - op->input_zero_point);
      }
    }
  }
  return sum;
}

/* The accumulator wraps in 32 bits; it is scaled, rounded and bounded. */
static int8_t output_of(const eb_w1a8 *op, const eb_w1a8_constants *constants, int32_t sum, int32_t channel) {
  const int32_t magnitude = constants->magnitude == NULL ? 1 : constants->magnitude[channel];
  const int32_t bias = constants->bias == NULL ? 0 : constants->bias[channel];
  const int32_t accumulator = (int32_t)((uint32_t)magnitude * (uint32_t)sum + (uint32_t)bias);
  int32_t scaled;
  if (op->rounding == EB_ROUND_ONCE) {
    scaled = eb_w1a8_round_once(accumulator, constants->factor[channel]);
  } else {
    const eb_w1a8_fixed f = eb_w1a8_fix_point(constants->factor[channel]);
    scaled = eb_w1a8_round_twice(accumulator, f.multiplier, f.left, f.right);
  }
  const int64_t y = (int64_t)scaled + op->output_zero_point;
  return (int8_t)(y < op->output_min ? op->output_min : y > op->output_max ? op->output_max : y);
}

void eb_w1a8_reference(const eb_w1a8 *op, const eb_w1a8_constants *constants, const int8_t *input, int8_t *output) {
  const eb_window *w = &op->window;
  for (int32_t batch = 0; batch < w->batches; batch++) {
    for (int32_t row = 0; row < w->output_height; row++) {
      for (int32_t column = 0; column < w->output_width; column++) {
        for (int32_t channel = 0; channel < op->channels_out; channel++) {
          const int32_t sum = sum_window(op, input, constants->filter, batch, row, column, channel);
          *output++ = output_of(op, constants, sum, channel);
        }
      }
    }
  }
}
