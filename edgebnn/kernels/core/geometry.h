/* Where the windows of a layer lie on its input: computed when the layer is made, read by every kernel with windows. */
#ifndef EDGEBNN_GEOMETRY_H
#define EDGEBNN_GEOMETRY_H

#include <stdint.h>

/* Tensors are NHWC. Tap (r, c) of the window of output pixel (y, x) is input pixel
 *   (y * stride_height - pad_top + r * dilation_height, x * stride_width - pad_left + c * dilation_width),
 * which lies in the padding where it is outside the input. */
typedef struct eb_geometry {
  int32_t batches;
  int32_t input_height, input_width;
  int32_t filter_height, filter_width;
  int32_t stride_height, stride_width;
  int32_t dilation_height, dilation_width;
  int32_t pad_top, pad_left;
  int32_t output_height, output_width;
} eb_geometry;

#endif
