/* Binary convolution in bit slices with packed output. */
#include "conv_binary_sliced.h"

#include "conv_binary_tiles.h"

void eb_conv_binary_packed_sliced(const eb_conv_binary_layer *l, const int32_t *input, int32_t *output, void *scratch) {
  eb_binary_sliced(l, input, 1, eb_binary_start_packed, eb_binary_write_packed, scratch, output);
}
