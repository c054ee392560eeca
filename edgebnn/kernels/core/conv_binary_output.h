/* From x = 2 * accum to the outputs of conv_binary.h. */
#ifndef EDGEBNN_CONV_BINARY_OUTPUT_H
#define EDGEBNN_CONV_BINARY_OUTPUT_H

#include "conv_binary.h"

static inline int32_t eb_binary_clamp(int32_t x, int32_t low, int32_t high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

/* The sum of a channel's weights that lie in the padding, which is said to be in that class: row class * columns + column
 * class. */
static inline int32_t eb_binary_padding_sum(const eb_binary_padding *p, int32_t channel, int32_t padding_class) {
  return p->sums == NULL ? 0 : p->sums[channel * p->rows * p->columns + padding_class];
}

static inline int32_t eb_binary_padding_class(const eb_binary_padding *p, int32_t row, int32_t column) {
  return p->row_classes == NULL ? 0 : p->row_classes[row] * p->columns + p->column_classes[column];
}

/* What of eb_binary_output is a channel's, for int8. */
typedef struct eb_binary_rescaling {
  uint32_t multiplier, offset;
  int32_t shift, low, high;
  const int8_t *lookup; /* of x = 0; NULL: by the numbers above */
} eb_binary_rescaling;

static inline eb_binary_rescaling eb_binary_rescaling_of(const eb_binary_output *o, int32_t channel) {
  const int has_table = o->shifts[channel] == EB_LOOKUP;
  const eb_binary_rescaling r = {
      .multiplier = (uint32_t)o->multipliers[channel],
      .offset = (uint32_t)o->offsets[channel],
      .shift = o->shifts[channel],
      .low = o->low,
      .high = o->high,
      .lookup = has_table ? o->lookup + o->offsets[channel] : NULL,
  };
  return r;
}

static inline int8_t eb_binary_int8(const eb_binary_rescaling *r, int32_t x) {
  x = eb_binary_clamp(x, r->low, r->high);
  if (r->lookup != NULL) return r->lookup[x];
  /* Modulo 2**32: the sum fits, though the product need not. */
  const int32_t sum = (int32_t)((uint32_t)x * r->multiplier + r->offset);
  return (int8_t)eb_binary_clamp(sum >> r->shift, -128, 127);
}

/* padding: the sum of the weights that lie there. */
static inline float eb_binary_float(const eb_conv_binary_layer *l, int32_t channel, int32_t x, int32_t padding) {
  const eb_binary_output *o = &l->output;
  if (!l->padding.after) x += padding;
  const float scaled = (float)eb_binary_clamp(x, o->low, o->high) * o->scales[channel];
  const float y = scaled + o->biases[channel];
  if (!l->padding.after) return y;
  const float taken_back = o->scales[channel] * (float)padding;
  return y + taken_back;
}

#endif
