/* All of a rows_<name>.c. */
#ifndef EDGEBNN_ROWS_DEFINE_H
#define EDGEBNN_ROWS_DEFINE_H

#include "rows_dense.h"
#include "rows_pool2d.h"
#include "rows_steps.h"
#include "rows_thresholds.h"

#define EB_ROWS_DEFINE(line, features)                                                                              \
  static void steps(const eb_rows *op, const eb_output_steps *s, const void *input, size_t stride, void *output,   \
                    int64_t begin, int64_t end) {                                                                   \
    eb_step_rows(op, s, input, stride, output, begin, end);                                                         \
  }                                                                                                                 \
  static void thresholds(const eb_rows *op, const eb_thresholds *t, const float *input, size_t stride,             \
                         int32_t *output, int64_t begin, int64_t end) {                                             \
    eb_threshold_rows(op, t, input, stride, output, begin, end);                                                    \
  }                                                                                                                 \
  static void int8_thresholds(const eb_rows *op, const eb_int8_thresholds *t, const eb_sign_part *parts,           \
                              int32_t count, int32_t *output, int64_t begin, int64_t end) {                         \
    eb_int8_threshold_rows(op, t, parts, count, output, begin, end);                                                \
  }                                                                                                                 \
  static void pool2d(const eb_pool2d *op, const eb_output_steps *s, const void *input, size_t stride,              \
                     void *output, size_t output_stride, int32_t begin, int32_t end) {                             \
    eb_pool_tiles(op, s, input, stride, output, output_stride, begin, end);                                         \
  }                                                                                                                 \
  static void dense(const eb_dense_float *op, const float *input, float *output, int32_t begin, int32_t end) {     \
    eb_dense_tiles(op, input, output, begin, end);                                                                  \
  }                                                                                                                 \
  const eb_rows_kernel eb_rows_##line = {#line, features, steps, thresholds, int8_thresholds, pool2d, dense};

#endif
