/* Steps alone, row by row: a chunk of channels at a time goes through all of them. Of rows_block.h. */
#ifndef EDGEBNN_ROWS_STEPS_H
#define EDGEBNN_ROWS_STEPS_H

#include "rows_block.h"
#include "steps.h"

enum { EB_STEPS_CHUNK = 256 };

EB_ROWS_INLINE void eb_step_floats(const eb_rows *op, const eb_output_steps *steps, const float *input, size_t input_stride,
                       float *output, size_t output_stride, int64_t begin, int64_t end) {
  float y[EB_STEPS_CHUNK];
  for (int64_t row = begin; row < end; row++) {
    for (int32_t first = 0; first < op->channels; first += EB_STEPS_CHUNK) {
      const int32_t channels = eb_at_most(op->channels - first, EB_STEPS_CHUNK);
      memcpy(y, input + (size_t)row * input_stride + first, (size_t)channels * sizeof(float));
      eb_apply_steps(steps, row, first, channels, y);
      memcpy(output + (size_t)row * output_stride + first, y, (size_t)channels * sizeof(float));
    }
  }
}

EB_ROWS_INLINE void eb_step_int8s(const eb_rows *op, const eb_output_steps *steps, const int8_t *input, size_t input_stride,
                      int8_t *output, size_t output_stride, int64_t begin, int64_t end) {
  int8_t y[EB_STEPS_CHUNK];
  for (int64_t row = begin; row < end; row++) {
    for (int32_t first = 0; first < op->channels; first += EB_STEPS_CHUNK) {
      const int32_t channels = eb_at_most(op->channels - first, EB_STEPS_CHUNK);
      memcpy(y, input + (size_t)row * input_stride + first, (size_t)channels);
      eb_apply_int8_steps(steps, row, first, channels, y);
      memcpy(output + (size_t)row * output_stride + first, y, (size_t)channels);
    }
  }
}

/* One step that scales. */
EB_ROWS_INLINE void eb_scale_int8s(const eb_rows *op, const eb_step *step, const int8_t *input, size_t input_stride,
                                   int8_t *output, size_t output_stride, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    eb_step_scales(step->scale, (const int32_t *)step->operand + eb_step_at(step, row), op->channels,
                   input + (size_t)row * input_stride, output + (size_t)row * output_stride);
  }
}

/* Whether it is one sum of rows that follow each other everywhere: then they are one row. */
EB_ROWS_INLINE int eb_is_one_sum(const eb_rows *op, const eb_output_steps *steps, size_t input_stride, size_t output_stride) {
  const size_t channels = (size_t)op->channels;
  return steps->count == 1 && steps->step[0].kind == EB_STEP_SUM && steps->step[0].rows == 1 && steps->step[0].stride == channels && input_stride == channels &&
         output_stride == channels;
}

EB_ROWS_INLINE void eb_sum_int8s(const eb_int8_sum *sum, const int8_t *a, const int8_t *b, int8_t *output, size_t count) {
  const eb_int8_sum constants = *sum;
  int8_t y[EB_STEPS_CHUNK];
  for (; count >= EB_STEPS_CHUNK; count -= EB_STEPS_CHUNK, a += EB_STEPS_CHUNK, b += EB_STEPS_CHUNK, output += EB_STEPS_CHUNK) {
    memcpy(y, a, EB_STEPS_CHUNK);
    eb_step_sums(&constants, EB_STEPS_CHUNK, b, y);
    memcpy(output, y, EB_STEPS_CHUNK);
  }
  memcpy(y, a, count);
  eb_step_sums(&constants, (int32_t)count, b, y);
  memcpy(output, y, count);
}

EB_ROWS_INLINE void eb_step_rows(const eb_rows *op, const eb_output_steps *steps, const void *input, size_t input_stride,
                                 void *output, int64_t begin, int64_t end) {
  const size_t stride = steps->output_stride != 0 ? steps->output_stride : (size_t)op->channels;
  if (op->type == EB_FLOAT32) {
    eb_step_floats(op, steps, input, input_stride, output, stride, begin, end);
  } else if (eb_is_one_sum(op, steps, input_stride, stride)) {
    const size_t from = (size_t)begin * stride;
    eb_sum_int8s(steps->step[0].sum, (const int8_t *)input + from, (const int8_t *)steps->step[0].operand + from,
                 (int8_t *)output + from, (size_t)(end - begin) * stride);
  } else if (steps->count == 1 && steps->step[0].kind == EB_STEP_SCALE) {
    eb_scale_int8s(op, &steps->step[0], input, input_stride, output, stride, begin, end);
  } else {
    eb_step_int8s(op, steps, input, input_stride, output, stride, begin, end);
  }
}

#endif
