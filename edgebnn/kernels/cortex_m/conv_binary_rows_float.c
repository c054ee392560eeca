/* Binary convolution by rows with float output. */
#include "conv_binary_rows.h"

#include "conv_binary_tiles.h"

void eb_conv_binary_float_rows(const eb_conv_binary_layer *l, const int32_t *input, float *output, void *scratch) {
  eb_binary_rows(l, input, 0, eb_binary_start_zero, eb_binary_write_float, scratch, output);
}
