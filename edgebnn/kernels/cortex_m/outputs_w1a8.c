#include "outputs_w1a8.h"

#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'

int8_t eb_w1a8_general(const eb_conv_w1a8_sums *layer, int32_t channel, int32_t sum) {
  const int32_t *general = layer->general + 4 * channel;
  const uint32_t accumulator = (uint32_t)general[1] * (uint32_t)sum + (uint32_t)general[0];
  const int32_t scaled = eb_requantize((int32_t)accumulator, general[2], general[3]);
  /* Clamped before the zero point is added, so that no sum leaves 32 bits. */
  const int32_t zero_point = layer->output_zero_point;
  return (int8_t)(eb_clamp(scaled, layer->output_min - zero_point, layer->output_max - zero_point) + zero_point);
}

#endif
