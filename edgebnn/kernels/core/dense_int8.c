#include "dense_int8.h"

#include "dense_int8_output.h"

void eb_dense_int8(const eb_dense_int8_layer *l, const int8_t *input, int8_t *output) {
  for (int32_t row = 0; row < l->rows; row++, input += l->depth) {
    for (int32_t o = 0; o < l->outputs; o++) {
      *output++ = eb_dense_int8_output(l, o, eb_dense_int8_sum(l, o, input));
    }
  }
}
