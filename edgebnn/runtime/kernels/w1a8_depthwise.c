/* W1A8 depthwise convolution: channels side by side, taps in the padding left out. For each output channel
 *   sum over the taps inside the image of +-(x - zx).
 */
#include "w1a8_parts.h"
#include "window.h"

enum { WORD = 32 };

/* The inputs of up to WORD output channels from `first` on, of one pixel. */
static void read_inputs(const int8_t *pixel, int32_t first, int32_t count, int32_t multiplier, int32_t *x) {
  if (multiplier == 1) {
    for (int32_t c = 0; c < count; c++) x[c] = pixel[first + c];
  } else {
    for (int32_t c = 0; c < count; c++) x[c] = pixel[(first + c) / multiplier];
  }
}

static void add_tap(uint32_t signs, int32_t zero_point, const int32_t *restrict x, int32_t *restrict sums) {
  for (int32_t c = 0; c < WORD; c++) {
    const int32_t minus = -(int32_t)(signs >> c & 1u);
    sums[c] += ((x[c] - zero_point) ^ minus) - minus;
  }
}

static void run_pixel(const eb_w1a8_plan *plan, const uint32_t *filter, const eb_w1a8_transform *t,
                      const int8_t *input, int32_t pixel, int8_t *output) {
  const eb_w1a8 *op = &plan->op;
  const eb_window *w = &op->window;
  const eb_patch patch = eb_patch_at(w, pixel);
  const int32_t words = eb_packed_words(op->channels_out), multiplier = op->channels_out / op->channels_in;
  for (int32_t word = 0; word < words; word++) {
    const int32_t first = word * WORD, count = eb_at_most(op->channels_out - first, WORD);
    int32_t sums[WORD] = {0}, x[WORD] = {0};
    for (int32_t fy = patch.y_begin; fy < patch.y_end; fy++) {
      for (int32_t fx = patch.x_begin; fx < patch.x_end; fx++) {
        const int32_t row = patch.batch * w->input_height + patch.y + fy * w->dilation_height;
        const size_t at = (size_t)row * (size_t)w->input_width + (size_t)(patch.x + fx * w->dilation_width);
        read_inputs(input + at * (size_t)op->channels_in, first, count, multiplier, x);
        add_tap(filter[(fy * w->filter_width + fx) * words + word], op->input_zero_point, x, sums);
      }
    }
    for (int32_t c = 0; c < count; c++) output[first + c] = eb_w1a8_output(t, first + c, sums[c]);
  }
}

void eb_w1a8_depthwise_run(const eb_w1a8_plan *plan, const void *persistent, const int8_t *input, int8_t *output,
                           int32_t row_begin, int32_t row_end) {
  const eb_w1a8_transform t = eb_w1a8_transform_of(plan, persistent);
  const int32_t width = plan->op.window.output_width;
  for (int32_t pixel = row_begin * width; pixel < row_end * width; pixel++) {
    run_pixel(plan, persistent, &t, input, pixel, output + (size_t)pixel * (size_t)plan->op.channels_out);
  }
}
