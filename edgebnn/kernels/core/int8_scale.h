/* What the int8 values of a channel become where each is scaled by itself, as TFLite's reference kernels of PRELU and MUL round
 * it, by a multiplication and a shift:
 *   y = clamp((x * factor + addend) >> shift, low, high),
 * in 32 bits throughout, where >> rounds down; factor and addend are others for x >= pivot than below it. The reference kernels
 * round twice, halves up and then away from zero, and PRELU has a slope of its own on either side; factors that give the same
 * for all 256 values are found once (host/int8_scale.c). What PRELU's slope or MUL's other operand is, a value of the channel,
 * is one of 256 too: a table has the constants of each. */
#ifndef EDGEBNN_INT8_SCALE_H
#define EDGEBNN_INT8_SCALE_H

#include "int8_sum.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of constants, [EB_SCALE_PLANES][channels]. */
enum eb_scale_plane {
  EB_SCALE_PIVOT,
  EB_SCALE_LOW_FACTOR,
  EB_SCALE_LOW_ADDEND,
  EB_SCALE_HIGH_FACTOR,
  EB_SCALE_HIGH_ADDEND,
  EB_SCALE_PLANES
};

enum { EB_SCALE_VALUES = 256, EB_SCALE_TABLE = EB_SCALE_PLANES * EB_SCALE_VALUES };

typedef struct eb_int8_scale {
  int32_t shift;
  int32_t low, high;
  int32_t channels; /* from one plane of the constants to the next */
} eb_int8_scale;

/* Fills the table, [EB_SCALE_PLANES][EB_SCALE_VALUES], of PRELU for all slopes that occur among these, and of MUL for each value
 * of its second operand; sets all of the scale but its channels. low, high: of the fused activation, in steps of the output.
 * EB_BAD_QUANTIZATION; EB_UNSUPPORTED: no factors are found. */
EB_EXPORT eb_status eb_int8_prelu_find(eb_int8_quantization input, eb_int8_quantization slope,
                                       eb_int8_quantization output, const int8_t *slopes, int32_t count,
                                       eb_int8_scale *scale, int32_t *table);
EB_EXPORT eb_status eb_int8_mul_find(eb_int8_quantization first, eb_int8_quantization second,
                                     eb_int8_quantization output, int32_t low, int32_t high, eb_int8_scale *scale,
                                     int32_t *table);

/* The constants of channels with these values. */
EB_EXPORT void eb_int8_scale_look_up(const int32_t *table, const int8_t *values, int32_t channels, int32_t *constants);

/* constants: of the channel. */
static inline int8_t eb_int8_scale_of(const eb_int8_scale *s, const int32_t *constants, int32_t x) {
  const size_t plane = (size_t)s->channels;
  const int is_high = x >= constants[EB_SCALE_PIVOT * plane];
  const int32_t factor = is_high ? constants[EB_SCALE_HIGH_FACTOR * plane] : constants[EB_SCALE_LOW_FACTOR * plane];
  const int32_t addend = is_high ? constants[EB_SCALE_HIGH_ADDEND * plane] : constants[EB_SCALE_LOW_ADDEND * plane];
  const int32_t y = (x * factor + addend) >> s->shift;
  return (int8_t)(y < s->low ? s->low : y > s->high ? s->high : y);
}

#ifdef __cplusplus
}
#endif

#endif
