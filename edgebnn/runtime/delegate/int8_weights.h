/* The weights of an int8 layer, channel by channel: whether they are two-valued, and their signs packed. */
#ifndef EDGEBNN_DELEGATE_INT8_WEIGHTS_H
#define EDGEBNN_DELEGATE_INT8_WEIGHTS_H

#include <stdbool.h>

#include "../../kernels/core/w1a8.h"

/* As they stand in the file: [channels_out, filter_height, filter_width, channels_in / groups], those of depthwise layers
 * [filter_height, filter_width, channels_out]. */
typedef struct {
  const int8_t *data;
  int32_t zero_point;
  const int32_t *bias; /* NULL: all 0 */
} eb_int8_weights;

/* Whether each channel has one magnitude, which `magnitude` [channels_out] is set to, and no input can take the sums, which
 * `factor` [channels_out] scales, out of 32 bits. */
bool eb_int8_two_valued(const eb_w1a8 *layer, const eb_int8_weights *weights, const double *factor, int32_t *magnitude);

/* Words of the packed signs. */
size_t eb_int8_sign_words(const eb_w1a8 *layer);

/* The signs as eb_w1a8_constants.filter. */
void eb_int8_pack_signs(const eb_w1a8 *layer, const eb_int8_weights *weights, int32_t *packed);

#endif
