#include "softmax_float.h"

#include "float_functions.h"

void eb_softmax_float(const eb_rows_float_layer *l, const float *input, float *output) {
  for (int32_t r = 0; r < l->rows; r++, input += l->depth, output += l->depth) {
    const float most = eb_largest(input, l->depth);
    float sum = 0.0f;
    for (int32_t i = 0; i < l->depth; i++) sum += output[i] = eb_exp((input[i] - most) * l->factor);
    for (int32_t i = 0; i < l->depth; i++) output[i] /= sum;
  }
}
