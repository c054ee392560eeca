/* Convolution of few input channels written out: for each image, row, column and channel of output the greatest, over the
 * pool's window, of sums over the rows, columns and channels of the convolution's window. */
#include "reference.h"
#include "w1a8_block.h"

/* What the input at `index` is to an int8 filter. */
static int32_t input_at(const eb_conv2d_few *op, const void *input, size_t index) {
  if (op->input_type == EB_INT8) return ((const int8_t *)input)[index];
  const float steps = ((const float *)input)[index] / op->input_scale;
  if (steps != steps) return op->input_zero_point;
  if (steps >= 256.0f || steps <= -256.0f) return steps > 0 ? 127 : -128;
  const int32_t whole = (int32_t)steps;
  const float rest = steps - (float)whole;
  const int32_t q = whole + (rest >= 0.5f) - (rest <= -0.5f) + op->input_zero_point;
  return q < -128 ? -128 : q > 127 ? 127 : q;
}

/* One output of the convolution, int8 or float. */
static double convolved(const eb_conv2d_few *op, const eb_conv2d_few_constants *constants, const void *input,
                        int32_t batch, int32_t row, int32_t column, int32_t channel) {
  const eb_window *w = &op->window;
  const int is_float = op->type == EB_FLOAT32;
  double sum = 0.0; /* of integers, exact */
  for (int32_t fy = 0; fy < w->filter_height; fy++) {
    for (int32_t fx = 0; fx < w->filter_width; fx++) {
      const int32_t y = row * w->stride_height - w->pad_top + fy * w->dilation_height;
      const int32_t x = column * w->stride_width - w->pad_left + fx * w->dilation_width;
      if (y < 0 || y >= w->input_height || x < 0 || x >= w->input_width) continue;
      const size_t pixel = ((size_t)batch * (size_t)w->input_height + (size_t)y) * (size_t)w->input_width + (size_t)x;
      const size_t tap = ((size_t)channel * (size_t)w->filter_height + (size_t)fy) * (size_t)w->filter_width + (size_t)fx;
      for (int32_t i = 0; i < op->channels_in; i++) {
        const size_t from = pixel * (size_t)op->channels_in + (size_t)i, at = tap * (size_t)op->channels_in + (size_t)i;
        if (is_float) {
          sum += (double)((const float *)constants->filter)[at] * (double)((const float *)input)[from];
        } else {
          sum += ((const int8_t *)constants->filter)[at] * (input_at(op, input, from) - op->input_zero_point);
        }
      }
    }
  }
  if (is_float) {
    sum += constants->bias == NULL ? 0.0 : (double)((const float *)constants->bias)[channel];
    sum = sum < (double)op->float_max ? sum : (double)op->float_max;
    return sum > (double)op->float_min ? sum : (double)op->float_min;
  }
  const int32_t bias = constants->bias == NULL ? 0 : ((const int32_t *)constants->bias)[channel];
  const eb_w1a8_fixed f = eb_w1a8_fix_point(constants->factor[channel]);
  const int32_t y = eb_w1a8_round_twice((int32_t)sum + bias, f.multiplier, f.left, f.right) + op->output_zero_point;
  return y < op->output_min ? op->output_min : y > op->output_max ? op->output_max : y;
}

/* The greatest over the pool's window. */
static double pooled(const eb_conv2d_few *op, const eb_window *pool, const eb_conv2d_few_constants *constants,
                     const void *input, int32_t batch, int32_t row, int32_t column, int32_t channel) {
  double most = 0.0;
  int32_t count = 0;
  for (int32_t py = 0; py < pool->filter_height; py++) {
    for (int32_t px = 0; px < pool->filter_width; px++) {
      const int32_t y = row * pool->stride_height - pool->pad_top + py;
      const int32_t x = column * pool->stride_width - pool->pad_left + px;
      if (y < 0 || y >= pool->input_height || x < 0 || x >= pool->input_width) continue;
      const double value = convolved(op, constants, input, batch, y, x, channel);
      if (count++ == 0 || value > most) most = value;
    }
  }
  return most;
}

void eb_conv2d_few_reference(const eb_conv2d_few *op, const eb_window *pool, const eb_conv2d_few_constants *constants,
                             const void *input, void *output) {
  const double zero = op->type == EB_INT8 ? op->output_zero_point : 0.0;
  const size_t words = (size_t)eb_packed_words(op->channels_out);
  size_t pixel = 0;
  for (int32_t batch = 0; batch < pool->batches; batch++) {
    for (int32_t row = 0; row < pool->output_height; row++) {
      for (int32_t column = 0; column < pool->output_width; column++, pixel++) {
        if (op->output_type == EB_PACKED) memset((uint32_t *)output + pixel * words, 0, words * sizeof(uint32_t));
        for (int32_t c = 0; c < op->channels_out; c++) {
          const double y = pooled(op, pool, constants, input, batch, row, column, c);
          const size_t at = pixel * (size_t)op->channels_out + (size_t)c;
          if (op->output_type == EB_PACKED) {
            ((uint32_t *)output)[pixel * words + (size_t)(c / 32)] |= (uint32_t)(y < zero) << c % 32;
          } else if (op->output_type == EB_INT8) {
            ((int8_t *)output)[at] = (int8_t)y;
          } else {
            ((float *)output)[at] = (float)y;
          }
        }
      }
    }
  }
}
