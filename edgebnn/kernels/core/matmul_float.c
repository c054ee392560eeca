#include "matmul_float.h"

#include "clamp_float.h"

enum { EB_PART = 64 }; /* products that are summed before they are added to the others: errors grow less */

static float product(const eb_matmul_float_layer *l, const float *row, const float *column) {
  float sum = 0.0f;
  for (int32_t begin = 0; begin < l->depth; begin += EB_PART) {
    const int32_t end = begin + EB_PART < l->depth ? begin + EB_PART : l->depth;
    float part = 0.0f;
    for (int32_t k = begin; k < end; k++) part += row[k * l->first_depth] * column[k * l->second_depth];
    sum += part;
  }
  return sum;
}

void eb_matmul_float(const eb_matmul_float_layer *l, const float *first, const float *second, float *output) {
  if (l->batches.axis[0] == 0) return;
  eb_broadcast_run run = {0};
  do {
    for (int32_t m = 0; m < l->rows; m++) {
      for (int32_t n = 0; n < l->columns; n++) {
        const float sum = product(l, first + run.first + m * l->first_row, second + run.second + n * l->second_column);
        *output++ = eb_clamp_real(l->bias ? sum + l->bias[n] : sum, l->low, l->high);
      }
    }
  } while (eb_broadcast_next(&l->batches, &run));
}
