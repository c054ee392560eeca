#include "batch_matmul_int8.h"

#include "requantize.h"

static int32_t product(const eb_batch_matmul_int8_layer *l, const int8_t *row, const int8_t *column) {
  uint32_t sum = 0;
  for (int32_t k = 0; k < l->depth; k++, row += l->first_depth, column += l->second_depth) {
    sum += (uint32_t)((*row - l->first_zero_point) * (*column - l->second_zero_point));
  }
  return (int32_t)sum;
}

void eb_batch_matmul_int8(const eb_batch_matmul_int8_layer *l, const int8_t *first, const int8_t *second, int8_t *output) {
  eb_broadcast_run run = {0};
  do {
    for (int32_t m = 0; m < l->rows; m++) {
      for (int32_t n = 0; n < l->columns; n++) {
        const int32_t sum = product(l, first + run.first + m * l->first_row, second + run.second + n * l->second_column);
        *output++ = (int8_t)eb_clamp(eb_requantize(sum, l->multiplier, l->shift) + l->zero_point, -128, 127);
      }
    }
  } while (eb_broadcast_next(&l->batches, &run));
}
