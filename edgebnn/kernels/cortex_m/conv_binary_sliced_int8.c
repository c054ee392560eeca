/* Binary convolution in bit slices with int8 output. */
#include "conv_binary_sliced.h"

#include "conv_binary_tiles.h"

void eb_conv_binary_int8_sliced(const eb_conv_binary_layer *l, const int32_t *input, int8_t *output, void *scratch) {
  eb_binary_sliced(l, input, 0, eb_binary_start_zero, eb_binary_write_int8, scratch, output);
}
