/* What goes over rows of floats, between convolutions: plain loops that a compiler makes vectors of, compiled for each instruction
 * set. rows_<name>.c is nothing but EB_ROWS_DEFINE(name) behind this header and the four that it names. */
#ifndef EDGEBNN_ROWS_BLOCK_H
#define EDGEBNN_ROWS_BLOCK_H

#include "bconv2d_block.h"
#include "dense_float.h"
#include "pool2d.h"
#include "thresholds.h"

#define EB_ROWS_INLINE static inline __attribute__((always_inline))

/* One line of rows.kernels. Strides are from row to row, in elements. */
typedef struct eb_rows_kernel {
  const char *name;
  uint32_t cpu_features; /* those it needs */

  /* output = the steps of input, for rows of float32 or int8. A value of the input or of an operand may lie where the output's
   * value does that it makes. */
  void (*steps)(const eb_rows *op, const eb_output_steps *steps, const void *input, size_t input_stride, void *output,
                int64_t begin, int64_t end);

  /* As eb_quantize_run of float32, by thresholds. */
  void (*thresholds)(const eb_rows *op, const eb_thresholds *thresholds, const float *input, size_t input_stride,
                     int32_t *output, int64_t begin, int64_t end);

  /* Of int8, of `count` parts that together have the op's channels. The thresholds of each begin with a word. */
  void (*int8_thresholds)(const eb_rows *op, const eb_int8_thresholds *thresholds, const eb_sign_part *parts,
                          int32_t count, int32_t *output, int64_t begin, int64_t end);

  /* Steps, if not NULL, of input values, whose rows are pixels; then pooling, for some of eb_pool2d_check's tiles. Of int8 there
   * are no steps. */
  void (*pool2d)(const eb_pool2d *op, const eb_output_steps *steps, const void *input, size_t input_stride, void *output,
                 size_t output_stride, int32_t begin, int32_t end);

  /* A tile is EB_DENSE_LANES outputs of a row: there are ceil(outputs / EB_DENSE_LANES) a row. */
  void (*dense)(const eb_dense_float *op, const float *input, float *output, int32_t begin, int32_t end);
} eb_rows_kernel;

/* The lines in order, best first; NULL at index >= the number of lines. */
EB_EXPORT const eb_rows_kernel *eb_rows_kernel_at(size_t index);

/* The line of that name, if there is one and these features suffice for it; else the best. */
EB_EXPORT const eb_rows_kernel *eb_rows_choose(const char *name, uint32_t cpu_features);

#define EB_ROWS_KERNEL(name, ...) extern const eb_rows_kernel eb_rows_##name;
#include "rows.kernels"
#undef EB_ROWS_KERNEL

#endif
