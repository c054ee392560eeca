/* Steps alone, row by row: a chunk of channels at a time goes through all of them. */
#include "steps.h"

enum { CHUNK = 256 };

static void float_rows(const eb_rows *op, const eb_output_steps *steps, const float *input, size_t input_stride,
                       float *output, size_t output_stride, int64_t begin, int64_t end) {
  float y[CHUNK];
  for (int64_t row = begin; row < end; row++) {
    for (int32_t first = 0; first < op->channels; first += CHUNK) {
      const int32_t channels = eb_at_most(op->channels - first, CHUNK);
      memcpy(y, input + (size_t)row * input_stride + first, (size_t)channels * sizeof(float));
      eb_apply_steps(steps, row, first, channels, y);
      memcpy(output + (size_t)row * output_stride + first, y, (size_t)channels * sizeof(float));
    }
  }
}

static void int8_rows(const eb_rows *op, const eb_output_steps *steps, const int8_t *input, size_t input_stride,
                      int8_t *output, size_t output_stride, int64_t begin, int64_t end) {
  int8_t y[CHUNK];
  for (int64_t row = begin; row < end; row++) {
    for (int32_t first = 0; first < op->channels; first += CHUNK) {
      const int32_t channels = eb_at_most(op->channels - first, CHUNK);
      memcpy(y, input + (size_t)row * input_stride + first, (size_t)channels);
      eb_apply_int8_steps(steps, row, first, channels, y);
      memcpy(output + (size_t)row * output_stride + first, y, (size_t)channels);
    }
  }
}

void eb_steps_run(const eb_rows *op, const eb_output_steps *steps, const void *input, size_t input_stride, void *output,
                  int64_t row_begin, int64_t row_end) {
  EB_REQUIRE(0 <= row_begin && row_begin <= row_end && row_end <= op->rows && op->channels > 0);
  EB_REQUIRE(op->type == EB_FLOAT32 || op->type == EB_INT8);
  const size_t stride = steps->output_stride != 0 ? steps->output_stride : (size_t)op->channels;
  if (op->type == EB_FLOAT32) {
    float_rows(op, steps, input, input_stride, output, stride, row_begin, row_end);
  } else {
    int8_rows(op, steps, input, input_stride, output, stride, row_begin, row_end);
  }
}
