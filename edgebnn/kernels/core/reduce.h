/* Reductions over some axes. For each position along the axes that are kept, all positions along those that are reduced. */
#ifndef EDGEBNN_REDUCE_H
#define EDGEBNN_REDUCE_H

#include <stdint.h>

#include "broadcast.h"

/* The loop of kernels that reduce: `value` begins as l->initial; `expression` of it and the element x takes its place, and
 * `result` of it is the output. */
#define EB_REDUCE(function, layer, type, wide, expression, result)                                                    \
  void function(const layer *l, const type *input, type *output) {                                                    \
    const int32_t *outer = l->kept.axis + 3 * (l->kept.axes - 1), *inner = l->reduced.axis + 3 * (l->reduced.axes - 1);\
    const int32_t count = inner[0], step = inner[1];                                                                  \
    eb_broadcast_run run = {0};                                                                                       \
    do {                                                                                                              \
      for (int32_t i = 0; i < outer[0]; i++) {                                                                        \
        const type *from = input + run.first + i * outer[1];                                                          \
        wide value = (wide)l->initial;                                                                                \
        eb_broadcast_run within = {0};                                                                                \
        do {                                                                                                          \
          for (int32_t k = 0; k < count; k++) {                                                                       \
            const type x = from[within.first + k * step];                                                             \
            value = (wide)(expression);                                                                               \
          }                                                                                                           \
        } while (eb_broadcast_next(&l->reduced, &within));                                                            \
        *output++ = (type)(result);                                                                                   \
      }                                                                                                               \
    } while (eb_broadcast_next(&l->kept, &run));                                                                      \
  }

typedef struct eb_reduce_float_layer {
  eb_broadcast kept, reduced; /* their second steps are 0 */
  float initial;
  float count; /* by which sums are divided: 1 unless they are means */
} eb_reduce_float_layer;

void eb_reduce_sum_float(const eb_reduce_float_layer *layer, const float *input, float *output);
void eb_reduce_max_float(const eb_reduce_float_layer *layer, const float *input, float *output);
void eb_reduce_min_float(const eb_reduce_float_layer *layer, const float *input, float *output);
void eb_reduce_prod_float(const eb_reduce_float_layer *layer, const float *input, float *output);

typedef struct eb_reduce_integer_layer {
  eb_broadcast kept, reduced;
  int64_t initial;
} eb_reduce_integer_layer;

#define EB_REDUCE_INTEGER(name, type) \
  void eb_reduce_##name##_##type(const eb_reduce_integer_layer *layer, const type##_t *input, type##_t *output)

EB_REDUCE_INTEGER(sum, int32); /* sums and products wrap */
EB_REDUCE_INTEGER(prod, int32);
EB_REDUCE_INTEGER(max, int32);
EB_REDUCE_INTEGER(min, int32);
EB_REDUCE_INTEGER(sum, int64);
EB_REDUCE_INTEGER(prod, int64);
EB_REDUCE_INTEGER(max, int64);
EB_REDUCE_INTEGER(min, int64);
EB_REDUCE_INTEGER(max, int8);
EB_REDUCE_INTEGER(min, int8);
EB_REDUCE_INTEGER(max, uint8); /* of truth values, 0 and 1: whether any is true, and whether all are */
EB_REDUCE_INTEGER(min, uint8);

/* The sum of int8 values, and of it a function that rises: its value is -128 and one more for each threshold that the sum
 * reaches. */
typedef struct eb_reduce_sum_int8_layer {
  eb_broadcast kept, reduced;
  int32_t initial;
  const int32_t *thresholds; /* [255], rising */
} eb_reduce_sum_int8_layer;

void eb_reduce_sum_int8(const eb_reduce_sum_int8_layer *layer, const int8_t *input, int8_t *output);

/* The product of int8 values, rescaled with every factor so that it stays in 32 bits: for a value v of at most 48 bits
 *     rescaled(v) = (v * multiplier + 2**(shift - 1)) >> shift, modulo 2**32,
 * p1 = x1, pk = rescaled(p(k-1) * xk) and y = rescaled(pn) + output_zero_point, saturated; x without its zero point. */
typedef struct eb_reduce_prod_int8_layer {
  eb_broadcast kept, reduced;
  int64_t initial;           /* EB_REDUCE_NO_FACTOR */
  int32_t multiplier, shift; /* of 16 bits; 1 to 62 */
  int32_t input_zero_point, output_zero_point;
} eb_reduce_prod_int8_layer;

#define EB_REDUCE_NO_FACTOR INT64_MIN

void eb_reduce_prod_int8(const eb_reduce_prod_int8_layer *layer, const int8_t *input, int8_t *output);

#endif
