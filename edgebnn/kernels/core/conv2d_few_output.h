/* From sums to outputs in plain C, for convolution of few input channels. */
#ifndef EDGEBNN_CONV2D_FEW_OUTPUT_H
#define EDGEBNN_CONV2D_FEW_OUTPUT_H

#include "conv2d_few_block.h"
#include "w1a8_block.h"

EB_INLINE int8_t eb_few_int8(const eb_conv2d_few_transform *t, int32_t c, int32_t sum) {
  const int32_t y = eb_w1a8_round_twice(sum, t->multiplier[c], t->left[c], t->right[c]) + t->zero_point;
  return (int8_t)(y < t->min ? t->min : y > t->max ? t->max : y);
}

EB_INLINE float eb_few_float(const eb_conv2d_few_transform *t, float sum) {
  const float y = sum < t->float_max ? sum : t->float_max;
  return y > t->float_min ? y : t->float_min;
}

/* `count` channels from `first` on, a multiple of 8, of one pixel, whose output of channel 0 is the first. */
EB_INLINE void eb_few_write_int32(const eb_conv2d_few_transform *t, int32_t first, int32_t count, const int32_t *sums,
                                  void *output) {
  int8_t *values = (int8_t *)output + first;
  uint8_t *bits = (uint8_t *)output + first / 8;
  if (t->output_type == EB_PACKED) {
    for (int32_t c = 0; c < count; c += 8) bits[c / 8] = 0;
    for (int32_t c = 0; c < count; c++) bits[c / 8] |= (uint8_t)((sums[c] < t->threshold[first + c]) << c % 8);
  } else {
    for (int32_t c = 0; c < count; c++) values[c] = eb_few_int8(t, first + c, sums[c]);
  }
}

EB_INLINE void eb_few_write_float(const eb_conv2d_few_transform *t, int32_t first, int32_t count, const float *sums,
                                  void *output) {
  float *values = (float *)output + first;
  uint8_t *bits = (uint8_t *)output + first / 8;
  if (t->output_type == EB_PACKED) {
    for (int32_t c = 0; c < count; c += 8) bits[c / 8] = 0;
    for (int32_t c = 0; c < count; c++) bits[c / 8] |= (uint8_t)((eb_few_float(t, sums[c]) < 0.0f) << c % 8);
  } else {
    for (int32_t c = 0; c < count; c++) values[c] = eb_few_float(t, sums[c]);
  }
}

#endif
