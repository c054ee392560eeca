/* Where 1-bit weights pay. */
#include "int8_layers.h"

bool eb_int8_pays(const eb_op *op) {
  const eb_w1a8 *layer = &op->as.w1a8.op;
  return !layer->depthwise && layer->channels_in / layer->groups >= 64;
}
