/* The weights of an int8 layer, channel by channel: whether they are two-valued, and their signs packed. */
#ifndef EDGEBNN_DELEGATE_INT8_WEIGHTS_H
#define EDGEBNN_DELEGATE_INT8_WEIGHTS_H

#include "../../kernels/core/w1a8.h"

/* As they stand in the file: [channels_out, filter_height, filter_width, channels_in / groups], those of depthwise layers
 * [filter_height, filter_width, channels_out]. */
typedef struct {
  const int8_t *data;
  int32_t zero_point;
  const int32_t *bias; /* NULL: all 0 */
} eb_int8_weights;

enum { EB_NOT_TWO_VALUED = -1 };

/* The one magnitude, 0 to 127, of a channel's weights; EB_NOT_TWO_VALUED if they have several, or an input can take the
 * channel's sums, which `factor` scales, out of 32 bits. */
int32_t eb_int8_magnitude(const eb_w1a8 *layer, const eb_int8_weights *weights, int32_t channel, double factor);

/* Words of the packed signs. */
size_t eb_int8_sign_words(const eb_w1a8 *layer);

/* The signs as eb_w1a8_constants.filter. */
void eb_int8_pack_signs(const eb_w1a8 *layer, const eb_int8_weights *weights, int32_t *packed);

#endif
