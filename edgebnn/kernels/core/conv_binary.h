/* Binary convolution for microcontrollers: what its kernels are given, and what they compute.
 *
 * Input and weights are signs in bits, 1 for -1, 32 to a word. Of the K signs of a window and of a filter accum differ, so
 * that their dot product is K - 2 * accum. Each kind of output follows from x = 2 * accum:
 *   packed: bit = x > 2 * threshold
 *   int8:   y = clamp((clamp(x, low, high) * multiplier + offset) >> shift, -128, 127), proven equal to the arithmetic of
 *           output_transform.h for every x that the layer has; a channel without such numbers has a table instead
 *   float:  y = (float)clamp(x, low, high) * scale + bias, each step rounded.
 * Taps in the padding count as +1. Where they are to count nothing, the sum of their weights is added to x before that; or,
 * for float output without activation, scale times the sum to y after it, as the Larq Compute Engine does.
 */
#ifndef EDGEBNN_CONV_BINARY_H
#define EDGEBNN_CONV_BINARY_H

#include <stddef.h>

#include "geometry.h"

/* Sums of the weights that lie in the padding. They depend on how much of the window lies there above, below, left and right:
 * on the class of the output row and on that of the output column. */
typedef struct eb_binary_padding {
  const int16_t *row_classes;    /* [output_height]; NULL: one class */
  const int16_t *column_classes; /* [output_width] */
  const int16_t *sums;           /* [channels_out][rows][columns]; NULL: taps in the padding count as +1 */
  int32_t rows, columns;         /* how many classes there are */
  int32_t after;                 /* whether scale * sum is added to y, and not the sum to x */
} eb_binary_padding;

enum { EB_LOOKUP = 255 };

/* From x to the output of each channel: arrays [channels_out], NULL if another kind of output is computed. */
typedef struct eb_binary_output {
  const int32_t *thresholds; /* packed: from -1 to K */
  const int32_t *multipliers, *offsets;
  const uint8_t *shifts;   /* up to 31; EB_LOOKUP: y is lookup[offset + x] */
  const int8_t *lookup;
  const float *scales, *biases;
  int32_t low, high; /* the activation */
} eb_binary_output;

typedef struct eb_conv_binary_layer {
  eb_geometry geometry;
  int32_t channels_in, channels_out, groups;
  int32_t chunk;          /* sliced kernels: how many channels they compute at a time */
  int32_t columns;        /* kernels by rows: how many pixels of a row they compute at a time */
  const int32_t *weights; /* [channels_out][taps][words of a group], but for the sliced kernels */
  eb_binary_padding padding;
  eb_binary_output output;
} eb_conv_binary_layer;

/* Written out. Input and packed output: [batches][height][width][words], int8 and float: [batches][height][width][channels]. */
void eb_conv_binary_packed(const eb_conv_binary_layer *layer, const int32_t *input, int32_t *output);
void eb_conv_binary_int8(const eb_conv_binary_layer *layer, const int32_t *input, int8_t *output);
void eb_conv_binary_float(const eb_conv_binary_layer *layer, const int32_t *input, float *output);

#endif
