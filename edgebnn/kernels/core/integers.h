/* Small arithmetic of sizes, for the kernels. */
#ifndef EDGEBNN_INTEGERS_H
#define EDGEBNN_INTEGERS_H

#include "kernels.h"

static inline int32_t eb_at_most(int32_t x, int32_t limit) { return x < limit ? x : limit; }
static inline int32_t eb_at_least(int32_t x, int32_t limit) { return x > limit ? x : limit; }
static inline int32_t eb_ceil_div(int32_t x, int32_t by) { return x / by + (x % by != 0); }
static inline int32_t eb_round_up(int32_t x, int32_t to) { return eb_ceil_div(x, to) * to; }

static inline size_t eb_align(size_t bytes) { return (bytes + EB_ALIGNMENT - 1) / EB_ALIGNMENT * EB_ALIGNMENT; }

#endif
