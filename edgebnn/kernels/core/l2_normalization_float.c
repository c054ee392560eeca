#include "float_functions.h"
#include "softmax_float.h"

/* Each row divided by its length, or by 1e-6 if that is more. */
void eb_l2_normalization_float(const eb_rows_float_layer *l, const float *input, float *output) {
  for (int32_t r = 0; r < l->rows; r++, input += l->depth, output += l->depth) {
    float sum = 0.0f;
    for (int32_t i = 0; i < l->depth; i++) sum += input[i] * input[i];
    float length = eb_sqrt(sum);
    if (length < 1e-6f) length = 1e-6f;
    for (int32_t i = 0; i < l->depth; i++) output[i] = input[i] / length;
  }
}
