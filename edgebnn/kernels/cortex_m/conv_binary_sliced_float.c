/* Binary convolution in bit slices with float output. */
#include "conv_binary_sliced.h"

#include "conv_binary_tiles.h"

void eb_conv_binary_float_sliced(const eb_conv_binary_layer *l, const int32_t *input, float *output, void *scratch) {
  eb_binary_sliced(l, input, 0, eb_binary_start_zero, eb_binary_write_float, scratch, output);
}
