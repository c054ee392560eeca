/* ARG_MAX and ARG_MIN along one axis: the first place of the largest or smallest element; the first NaN, if there is one. */
#ifndef EDGEBNN_ARG_H
#define EDGEBNN_ARG_H

#include <stdint.h>

typedef struct eb_arg_layer {
  int32_t outer, entries, inner; /* positions in front of the axis, of it, and behind it */
  int32_t smallest;              /* 1: ARG_MIN */
  int32_t wide;                  /* 1: outputs are int64, else int32 */
} eb_arg_layer;

void eb_arg_float(const eb_arg_layer *layer, const float *input, void *output);
void eb_arg_int8(const eb_arg_layer *layer, const int8_t *input, void *output);
void eb_arg_uint8(const eb_arg_layer *layer, const uint8_t *input, void *output);
void eb_arg_int32(const eb_arg_layer *layer, const int32_t *input, void *output);
void eb_arg_int64(const eb_arg_layer *layer, const int64_t *input, void *output);

#endif
