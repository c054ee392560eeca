#include "float_functions.h"
#include "softmax_float.h"

void eb_log_softmax_float(const eb_rows_float_layer *l, const float *input, float *output) {
  for (int32_t r = 0; r < l->rows; r++, input += l->depth, output += l->depth) {
    const float most = eb_largest(input, l->depth);
    float sum = 0.0f;
    for (int32_t i = 0; i < l->depth; i++) sum += eb_exp(output[i] = input[i] - most);
    sum = eb_log(sum);
    for (int32_t i = 0; i < l->depth; i++) output[i] -= sum;
  }
}
