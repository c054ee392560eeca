/* The steps of kernels.h on one row, or some channels of it; compiled with the flags of whoever includes it. */
#ifndef EDGEBNN_STEPS_H
#define EDGEBNN_STEPS_H

#include "int8_sum.h"
#include "numbers.h"

#define EB_STEP_INLINE static inline __attribute__((always_inline))

/* How far behind `operand` a row's x is. */
EB_STEP_INLINE size_t eb_step_at(const eb_step *s, int64_t row) {
  if (s->stride == 0) return 0;
  return (size_t)(s->rows == 1 ? row : row / s->rows) * s->stride;
}

EB_STEP_INLINE void eb_apply_step(const eb_step *s, int64_t row, int32_t first, int32_t channels, float *restrict y) {
  const float *x = s->operand == NULL ? NULL : (const float *)s->operand + eb_step_at(s, row) + first;
  const float low = s->low, high = s->high;
  switch (s->kind) {
    case EB_STEP_MUL:
      for (int32_t c = 0; c < channels; c++) y[c] *= x[c];
      break;
    case EB_STEP_ADD:
      for (int32_t c = 0; c < channels; c++) y[c] += x[c];
      break;
    case EB_STEP_PRELU:
      for (int32_t c = 0; c < channels; c++) {
        const float scaled = y[c] * x[c];
        y[c] = y[c] >= 0.0f ? y[c] : scaled;
      }
      break;
    default:
      for (int32_t c = 0; c < channels; c++) {
        const float above = y[c] < low ? low : y[c];
        y[c] = above > high ? high : above;
      }
  }
}

/* y: of `channels` channels of a row, from `first` on. */
EB_STEP_INLINE void eb_apply_steps(const eb_output_steps *steps, int64_t row, int32_t first, int32_t channels,
                                   float *restrict y) {
  for (int32_t i = 0; i < steps->count; i++) eb_apply_step(&steps->step[i], row, first, channels, y);
}

/* The same of int8: sums. */
EB_STEP_INLINE void eb_apply_int8_steps(const eb_output_steps *steps, int64_t row, int32_t first, int32_t channels,
                                        int8_t *restrict y) {
  for (int32_t i = 0; i < steps->count; i++) {
    const eb_step *s = &steps->step[i];
    const int8_t *x = (const int8_t *)s->operand + eb_step_at(s, row) + first;
    const eb_int8_sum sum = *s->sum;
    for (int32_t c = 0; c < channels; c++) y[c] = eb_int8_sum_of(&sum, y[c], x[c]);
  }
}

#endif
