/* Counters in bit slices as numbers, for outputs that are not packed. */
#ifndef EDGEBNN_CONV_BINARY_NUMBERS_H
#define EDGEBNN_CONV_BINARY_NUMBERS_H

#include "bit_slices.h"

enum { EB_LANES = 32, EB_WORD_PLANES = 30, EB_LEAST_PLANES = 11 };

/* 32 counters of `planes` bits, at least EB_LEAST_PLANES, the lowest bits first: twice what they count. */
void eb_binary_read_counters(const uint32_t *counters, int32_t planes, int32_t x[EB_LANES]);

/* Planes of the counters up to K, and `extra` more. */
static inline int32_t eb_binary_planes(int32_t k, int32_t extra) {
  int32_t planes = extra;
  for (; k > 0; k >>= 1) planes++;
  return planes < EB_LEAST_PLANES ? EB_LEAST_PLANES : planes;
}

#endif
