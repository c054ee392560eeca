/* Binary convolution by rows with packed output. */
#include "conv_binary_rows.h"

#include "conv_binary_tiles.h"

void eb_conv_binary_packed_rows(const eb_conv_binary_layer *l, const int32_t *input, int32_t *output, void *scratch) {
  eb_binary_rows(l, input, 1, eb_binary_start_packed, eb_binary_write_packed, scratch, output);
}
