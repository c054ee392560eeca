/* Binary convolution written out: for each image, row, column and channel of output a sum over the rows, columns and words of
 * the window. output_transform.h derives what becomes of the sum. */
#include "numbers.h"
#include "reference.h"

static int32_t count_bits(uint32_t x) {
  int32_t count = 0;
  for (; x != 0; x &= x - 1) count++;
  return count;
}

/* What one output follows from. */
typedef struct {
  int32_t accum;   /* differing bits of the window and the filter; a tap in the padding counts as +1 */
  int32_t padding; /* the sum of the filter's +1 and -1 at taps in the padding */
} sums;

/* Packed words of a group's pixel, or NULL in the padding. */
static const uint32_t *pixel_at(const eb_bconv2d *op, const int32_t *input, int32_t batch, int32_t y, int32_t x,
                                int32_t group) {
  const eb_window *w = &op->window;
  if (y < 0 || y >= w->input_height || x < 0 || x >= w->input_width) return NULL;
  const size_t pixel = ((size_t)batch * (size_t)w->input_height + (size_t)y) * (size_t)w->input_width + (size_t)x;
  const size_t words = (size_t)eb_packed_words(op->channels_in);
  return (const uint32_t *)input + pixel * words + (size_t)group * words / (size_t)op->groups;
}

static sums sum_window(const eb_bconv2d *op, const int32_t *input, const int32_t *filter, int32_t batch, int32_t row,
                       int32_t column, int32_t channel) {
  const eb_window *w = &op->window;
  const int32_t group = channel / (op->channels_out / op->groups);
  const int32_t group_inputs = op->channels_in / op->groups, words = eb_packed_words(group_inputs);
  const uint32_t *tap = (const uint32_t *)filter +
                        (size_t)channel * (size_t)w->filter_height * (size_t)w->filter_width * (size_t)words;
  sums s = {0, 0};
  for (int32_t fy = 0; fy < w->filter_height; fy++) {
    for (int32_t fx = 0; fx < w->filter_width; fx++, tap += words) {
      const int32_t y = row * w->stride_height - w->pad_top + fy * w->dilation_height;
      const int32_t x = column * w->stride_width - w->pad_left + fx * w->dilation_width;
      const uint32_t *pixel = pixel_at(op, input, batch, y, x, group);
      if (pixel == NULL) s.padding += group_inputs;
      for (int32_t i = 0; i < words; i++) {
        s.accum += count_bits(tap[i] ^ (pixel == NULL ? 0 : pixel[i]));
        if (pixel == NULL) s.padding -= 2 * count_bits(tap[i]);
      }
    }
  }
  return s;
}

static float clamp(float y, float low, float high) {
  y = y < high ? y : high;
  return y > low ? y : low;
}

/* Step by step as in output_transform.h. */
static float transform(const eb_bconv2d *op, const eb_bconv2d_constants *constants, sums s, int32_t channel) {
  static const int32_t lowest[] = {-INT32_MAX, 0, -1, 0}, highest[] = {INT32_MAX, INT32_MAX, 1, 6};
  const int32_t k = op->window.filter_height * op->window.filter_width * (op->channels_in / op->groups);
  const int pads_with_zeros = op->window.padding == EB_PADDING_SAME && op->pad_value == 0;
  const int pads_after = pads_with_zeros && op->output_type == EB_FLOAT32 && op->activation == EB_ACT_NONE;
  const double scale = op->output_type == EB_INT8 ? (double)op->output_scale : 1.0;
  const double zero_point = op->output_type == EB_INT8 ? (double)op->output_zero_point : 0.0;
  const double m = (double)constants->multiplier[channel];
  const float multiplier = (float)(-m / scale);
  const float bias = (float)(((double)constants->bias[channel] + (double)k * m) / scale + zero_point);

  float x = (float)(2 * s.accum + (pads_with_zeros && !pads_after ? s.padding : 0));
  if (op->activation != EB_ACT_NONE) {
    const int32_t low = k - eb_at_most(highest[op->activation], k), high = k - eb_at_least(lowest[op->activation], -k);
    x = clamp(x, (float)low, (float)high);
  }
  const float y = x * multiplier + bias;
  return pads_after ? y + multiplier * (float)s.padding : y;
}

/* Halves away from zero. */
static int8_t saturated(float y) {
  const float inside = clamp(y, -128.0f, 127.0f);
  const int32_t whole = (int32_t)inside;
  const float rest = inside - (float)whole;
  return (int8_t)(whole + (rest >= 0.5f) - (rest <= -0.5f));
}

static void write(const eb_bconv2d *op, const eb_bconv2d_constants *constants, sums s, size_t pixel, int32_t channel,
                  const float *residual, void *output) {
  const size_t at = pixel * (size_t)op->channels_out + (size_t)channel;
  if (op->output_type == EB_PACKED) {
    const int taken_back = op->window.padding == EB_PADDING_SAME && op->pad_value == 0;
    const int64_t x = 2 * (int64_t)s.accum + (taken_back ? s.padding : 0);
    const uint32_t bit = x > 2 * (int64_t)constants->threshold[channel];
    uint32_t *word = (uint32_t *)output + pixel * (size_t)eb_packed_words(op->channels_out) + channel / 32;
    *word = (channel % 32 == 0 ? 0 : *word) | bit << channel % 32;
  } else if (op->output_type == EB_INT8) {
    ((int8_t *)output)[at] = saturated(transform(op, constants, s, channel));
  } else {
    const float y = transform(op, constants, s, channel);
    ((float *)output)[at] = residual == NULL ? y : y + residual[at];
  }
}

void eb_bconv2d_reference(const eb_bconv2d *op, const eb_bconv2d_constants *constants, const int32_t *input,
                          const float *residual, void *output) {
  const eb_window *w = &op->window;
  size_t pixel = 0;
  for (int32_t batch = 0; batch < w->batches; batch++) {
    for (int32_t row = 0; row < w->output_height; row++) {
      for (int32_t column = 0; column < w->output_width; column++, pixel++) {
        for (int32_t channel = 0; channel < op->channels_out; channel++) {
          const sums s = sum_window(op, input, constants->filter, batch, row, column, channel);
          write(op, constants, s, pixel, channel, residual, output);
        }
      }
    }
  }
}
