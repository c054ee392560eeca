/* Sums that conv2d_few_rows.h pools at a time, as an array: for kernels whose compiler makes vectors of it. What includes this
 * defines SUM, POOL_CHANNELS and
 *   void write_pixel(const eb_conv2d_few_transform *t, int32_t first, int32_t count, const SUM *sums, void *output):
 *     `count` channels from `first` on of one pixel, whose output of channel 0 is the first. */
#ifndef EDGEBNN_CONV2D_FEW_POOLED_H
#define EDGEBNN_CONV2D_FEW_POOLED_H

#include "conv2d_few_block.h"

typedef struct {
  SUM sums[POOL_CHANNELS];
} pooled;

EB_INLINE pooled pool_load(const SUM *sums) {
  pooled p;
  memcpy(p.sums, sums, sizeof(p.sums));
  return p;
}

EB_INLINE pooled pool_max(pooled a, pooled b) {
  for (int32_t c = 0; c < POOL_CHANNELS; c++) a.sums[c] = b.sums[c] > a.sums[c] ? b.sums[c] : a.sums[c];
  return a;
}

EB_INLINE void write_pooled(const eb_conv2d_few_transform *t, int32_t first, int32_t count, pooled sums, void *output) {
  write_pixel(t, first, count, sums.sums, output);
}

#endif
