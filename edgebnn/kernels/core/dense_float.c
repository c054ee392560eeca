#include "dense_float.h"

#include "clamp_float.h"
#include "numbers.h"

enum { SIDE_BY_SIDE = 8 }; /* sums that do not wait for each other */

/* Of `count` outputs of a row; a constant. */
static inline __attribute__((always_inline)) void sum(const eb_dense_float *op, const float *restrict input,
                                                      const float *restrict weights, int32_t count,
                                                      float *restrict sums) {
  for (int32_t j = 0; j < count; j++) sums[j] = 0.0f;
  for (int32_t k = 0; k < op->inputs; k++) {
    for (int32_t j = 0; j < count; j++) sums[j] += input[k] * weights[(size_t)j * (size_t)op->inputs + (size_t)k];
  }
}

void eb_dense_float_run(const eb_dense_float *op, const float *input, float *output, int64_t begin, int64_t end) {
  while (begin < end) {
    const int64_t row = begin / op->outputs;
    const int32_t first = (int32_t)(begin % op->outputs), left = op->outputs - first;
    const int whole = left >= SIDE_BY_SIDE && end - begin >= SIDE_BY_SIDE;
    const int32_t count = whole ? SIDE_BY_SIDE : 1;
    const float *x = input + row * op->inputs, *weights = op->weights + (size_t)first * (size_t)op->inputs;
    float sums[SIDE_BY_SIDE];
    if (whole) {
      sum(op, x, weights, SIDE_BY_SIDE, sums);
    } else {
      sum(op, x, weights, 1, sums);
    }
    for (int32_t j = 0; j < count; j++) {
      const float y = op->bias == NULL ? sums[j] : sums[j] + op->bias[first + j];
      output[begin + j] = eb_clamp_real(y, op->low, op->high);
    }
    begin += count;
  }
}
