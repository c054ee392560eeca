/* RESIZE_BILINEAR: of each output row and column the inputs below and above it and how far it is from the former. */
#ifndef EDGEBNN_RESIZE_BILINEAR_H
#define EDGEBNN_RESIZE_BILINEAR_H

#include <stdint.h>

typedef struct eb_resize_bilinear_layer {
  int32_t batches, input_height, input_width, channels, output_height, output_width;
  const int32_t *rows, *columns; /* [output_height][2], [output_width][2]: the input below, the one above */
  const float *row_fractions, *column_fractions;
  const int32_t *row_shares, *column_shares; /* the same of int8 images, in units of 2**-10 */
} eb_resize_bilinear_layer;

void eb_resize_bilinear_float(const eb_resize_bilinear_layer *layer, const float *input, float *output);
void eb_resize_bilinear_int8(const eb_resize_bilinear_layer *layer, const int8_t *input, int8_t *output);

#endif
