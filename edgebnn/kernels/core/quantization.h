/* What an int8 tensor's scale and zero point may be. */
#ifndef EDGEBNN_QUANTIZATION_H
#define EDGEBNN_QUANTIZATION_H

#include <float.h>
#include <stdint.h>

/* Finite and positive; not NaN. */
static inline int eb_is_scale(float scale) { return scale > 0.0f && scale <= FLT_MAX; }

static inline int eb_is_zero_point(int32_t zero_point) { return zero_point >= -128 && zero_point <= 127; }

#endif
