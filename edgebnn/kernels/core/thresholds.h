/* Signs of what steps make of a float, by one comparison with a threshold of the channel. Multiplications by a constant and
 * additions of one, rounded, keep or turn round the order of numbers: what becomes negative lies on one side of a number. */
#ifndef EDGEBNN_THRESHOLDS_H
#define EDGEBNN_THRESHOLDS_H

#include "kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Channel c of x becomes negative (bit 1) where
 *   the float of ((bits of x & keep[c]) ^ flip[c]) < limit[c]
 * which is x < limit, -x < limit, or |x| < limit. Each array has as many elements as packed words have bits; unused bits
 * come out 0. */
typedef struct eb_thresholds {
  uint32_t *keep, *flip;
  float *limit;
} eb_thresholds;

/* Those of steps of kinds EB_STEP_MUL and EB_STEP_ADD whose operands are the same for all rows: exactly the bits that
 * these steps and eb_quantize_run give, for every float. EB_UNSUPPORTED: no threshold does, or a constant is no number. */
EB_EXPORT eb_status eb_thresholds_find(const eb_output_steps *steps, int32_t channels, const eb_thresholds *found);

/* Of int8: channel c of x becomes negative where x < limit[c] is not bit c % 32 of turned[c / 32]. Both arrays are as long as
 * packed words have bits; unused bits come out 0, with -128 and 0. */
typedef struct eb_int8_thresholds {
  int8_t *limit;
  uint32_t *turned;
} eb_int8_thresholds;

/* That of a channel, of whether each of the 256 values from -128 on becomes negative. EB_UNSUPPORTED: no threshold does. */
EB_EXPORT eb_status eb_int8_threshold_find(const uint8_t *negative, int8_t *limit, int32_t *turned);

/* A tensor of int8 that is some of the channels whose signs are packed together, from row to row `stride` values. */
typedef struct eb_sign_part {
  const int8_t *input;
  size_t stride;
  int32_t channels;
} eb_sign_part;

#ifdef __cplusplus
}
#endif

#endif
