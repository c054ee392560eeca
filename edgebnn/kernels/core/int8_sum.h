/* The sum of two int8 values, as TFLite's reference ADD rounds it, by two multiplications and one shift:
 *   y = clamp((a * first_factor + b * second_factor + addend) >> shift, low, high),
 * in 32 bits throughout, where >> rounds down. ADD itself brings each operand to a common scale with a rounding of its own,
 * adds, and rounds again; factors that give the same for all 256 * 256 pairs are found once (host/int8_sum.c). */
#ifndef EDGEBNN_INT8_SUM_H
#define EDGEBNN_INT8_SUM_H

#include "kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eb_int8_sum {
  int32_t first_factor, second_factor, addend, shift;
  int32_t low, high;
} eb_int8_sum;

/* Of an int8 tensor. */
typedef struct eb_int8_quantization {
  float scale;
  int32_t zero_point;
} eb_int8_quantization;

/* low, high: of the fused activation, in steps of the output. EB_BAD_QUANTIZATION; EB_UNSUPPORTED: no factors are found. */
EB_EXPORT eb_status eb_int8_sum_find(eb_int8_quantization first, eb_int8_quantization second,
                                     eb_int8_quantization output, int32_t low, int32_t high, eb_int8_sum *sum);

static inline int8_t eb_int8_sum_of(const eb_int8_sum *s, int32_t a, int32_t b) {
  const int32_t y = (a * s->first_factor + b * s->second_factor + s->addend) >> s->shift;
  return (int8_t)(y < s->low ? s->low : y > s->high ? s->high : y);
}

#ifdef __cplusplus
}
#endif

#endif
