/* Small things that the kernels share: arithmetic of sizes, what a scale and a zero point may be, and what must hold. */
#ifndef EDGEBNN_NUMBERS_H
#define EDGEBNN_NUMBERS_H

#include <float.h>

#include "bytes.h"
#include "kernels.h"

/* What a caller must have seen to; looked at where NDEBUG is not defined, as in the tests with sanitizers. */
#if defined(NDEBUG)
#define EB_REQUIRE(condition) ((void)0)
#else
#include <assert.h>
#define EB_REQUIRE(condition) assert(condition)
#endif

static inline int32_t eb_at_most(int32_t x, int32_t limit) { return x < limit ? x : limit; }
static inline int32_t eb_at_least(int32_t x, int32_t limit) { return x > limit ? x : limit; }
static inline int32_t eb_ceil_div(int32_t x, int32_t by) { return x / by + (x % by != 0); }
static inline int32_t eb_round_up(int32_t x, int32_t to) { return eb_ceil_div(x, to) * to; }

static inline size_t eb_align(size_t bytes) { return (bytes + EB_ALIGNMENT - 1) / EB_ALIGNMENT * EB_ALIGNMENT; }

/* Finite and positive; not NaN. */
static inline int eb_is_scale(float scale) { return scale > 0.0f && scale <= FLT_MAX; }

static inline int eb_is_zero_point(int32_t zero_point) { return zero_point >= -128 && zero_point <= 127; }

static inline int eb_is_aligned(const void *memory) { return (uintptr_t)memory % EB_ALIGNMENT == 0; }

#endif
