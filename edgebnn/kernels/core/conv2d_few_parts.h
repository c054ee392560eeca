/* Shared by the parts of the driver of convolution of few input channels; not for callers. */
#ifndef EDGEBNN_CONV2D_FEW_PARTS_H
#define EDGEBNN_CONV2D_FEW_PARTS_H

#include "conv2d_few_block.h"

enum { EB_FEW_ARRAYS = 6 }; /* of constants: bias, multiplier, left, right, addend, threshold; and behind them the flag */

/* Bytes of one array of constants; one word more, for the flag of the last. */
static inline size_t eb_few_array_bytes(const eb_conv2d_few_plan *plan) {
  return eb_align(((size_t)plan->padded_channels + 1) * sizeof(int32_t));
}

static inline void *eb_few_array(const eb_conv2d_few_plan *plan, const void *persistent, int32_t array) {
  return (char *)(uintptr_t)persistent + plan->constants_offset + (size_t)array * eb_few_array_bytes(plan);
}

/* What eb_conv2d_few_run looks up: segments, rows of sums, and which rows the slots of both hold. */
static inline size_t eb_few_lookup_bytes(const eb_conv2d_few_plan *plan) {
  const size_t pointers = (size_t)plan->segments + (size_t)plan->sum_rows;
  return eb_align(pointers * sizeof(void *)) + eb_align((size_t)(plan->slots + plan->sum_rows) * sizeof(int32_t));
}

/* What a staged input has for 0, beyond the zero point. */
static inline int32_t eb_few_offset(const eb_conv2d_few_plan *plan) {
  return plan->kernel->staged == EB_STAGED_UINT8 ? 128 : 0;
}

#endif
