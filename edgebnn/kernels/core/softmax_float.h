/* SOFTMAX, LOG_SOFTMAX and L2_NORMALIZATION of float rows, in place if wanted. */
#ifndef EDGEBNN_SOFTMAX_FLOAT_H
#define EDGEBNN_SOFTMAX_FLOAT_H

#include <stdint.h>

typedef struct eb_rows_float_layer {
  int32_t rows, depth;
  float factor; /* of SOFTMAX: what differences to the row's maximum are multiplied by */
} eb_rows_float_layer;

/* Of a row; NaN if there is one. */
static inline float eb_largest(const float *row, int32_t depth) {
  float most = row[0];
  for (int32_t i = 1; i < depth; i++) {
    if (row[i] > most || row[i] != row[i]) most = row[i];
  }
  return most;
}

void eb_softmax_float(const eb_rows_float_layer *layer, const float *input, float *output);
void eb_log_softmax_float(const eb_rows_float_layer *layer, const float *input, float *output);
void eb_l2_normalization_float(const eb_rows_float_layer *layer, const float *input, float *output);

#endif
