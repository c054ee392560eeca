/* Shared by the parts of the driver of W1A8 convolution; not for callers. */
#ifndef EDGEBNN_W1A8_PARTS_H
#define EDGEBNN_W1A8_PARTS_H

#include "w1a8_block.h"

/* Channels of the arrays of constants: blocks are padded to the kernel's tile, those of depthwise to 32. */
static inline size_t eb_w1a8_padded_channels(const eb_w1a8_plan *plan) {
  if (plan->op.depthwise) return (size_t)eb_packed_words(plan->op.channels_out) * 32;
  return (size_t)plan->op.groups * (size_t)plan->group_blocks * (size_t)plan->kernel->channel_tile;
}

/* Bytes of one array of int32; those of double take two. */
static inline size_t eb_w1a8_array_bytes(const eb_w1a8_plan *plan) {
  return eb_align(eb_w1a8_padded_channels(plan) * sizeof(int32_t));
}

/* Of the arrays of integers and doubles; behind them are those of floats, where the kernel reads them. */
static inline size_t eb_w1a8_exact_bytes(const eb_w1a8_plan *plan) {
  return (plan->op.rounding == EB_ROUND_ONCE ? 4 : 5) * eb_w1a8_array_bytes(plan);
}

/* Of all arrays. */
static inline size_t eb_w1a8_arrays_bytes(const eb_w1a8_plan *plan) {
  return eb_w1a8_exact_bytes(plan) + (plan->kernel->floats ? 2 : 0) * eb_w1a8_array_bytes(plan);
}

/* The guard of all channels, as in the transform: it stands behind the arrays. */
static inline void *eb_w1a8_guard_at(const eb_w1a8_plan *plan, const void *persistent) {
  return (char *)persistent + plan->constants_offset + eb_w1a8_arrays_bytes(plan);
}

static inline size_t eb_w1a8_constants_bytes(const eb_w1a8_plan *plan) {
  return eb_w1a8_arrays_bytes(plan) + EB_ALIGNMENT;
}

enum { EB_W1A8_DEPTHWISE_TAP_BYTES = 128 }; /* of scratch, for the signs of 32 channels */

/* Words of a depthwise filter: [taps][ceil(channels_out / 32)]. */
static inline size_t eb_w1a8_depthwise_words(const eb_w1a8_plan *plan) {
  const eb_window *w = &plan->op.window;
  return (size_t)w->filter_height * (size_t)w->filter_width * (size_t)eb_packed_words(plan->op.channels_out);
}

/* The constants in persistent memory, all channels' (written by prepare only). */
static inline eb_w1a8_transform eb_w1a8_transform_of(const eb_w1a8_plan *plan, const void *persistent) {
  const char *at = (const char *)persistent + plan->constants_offset;
  const size_t bytes = eb_w1a8_array_bytes(plan);
  eb_w1a8_transform t;
  memset(&t, 0, sizeof(t));
  memcpy(&t.guard, eb_w1a8_guard_at(plan, persistent), sizeof(t.guard));
  t.magnitude = (const int32_t *)(const void *)at;
  t.bias = (const int32_t *)(const void *)(at + bytes);
  if (plan->op.rounding == EB_ROUND_ONCE) {
    t.factor = (const double *)(const void *)(at + 2 * bytes);
  } else {
    t.multiplier = (const int32_t *)(const void *)(at + 2 * bytes);
    t.left = (const int32_t *)(const void *)(at + 3 * bytes);
    t.right = (const int32_t *)(const void *)(at + 4 * bytes);
  }
  if (plan->kernel->floats) {
    t.scale = (const float *)(const void *)(at + eb_w1a8_exact_bytes(plan));
    t.offset = (const float *)(const void *)(at + eb_w1a8_exact_bytes(plan) + bytes);
  }
  t.rounding = plan->op.rounding;
  t.zero_point = plan->op.output_zero_point;
  t.min = plan->op.output_min;
  t.max = plan->op.output_max;
  return t;
}

/* What the layer costs with a kernel on this processor, in int8 multiply-accumulates (host/w1a8_costs.h), its window being
 * resolved; below 0 where that is not known. */
double eb_w1a8_cost(const eb_w1a8 *op, const eb_w1a8_kernel *kernel);

#endif
