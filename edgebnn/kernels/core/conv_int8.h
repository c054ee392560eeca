/* CONV_2D of int8 tensors, grouped too.
 *
 *   acc = bias[o] + sum over the taps within the input, and the channels of the group, of weight * (input - input_zero_point)
 *   output = clamp(requantize(acc, multiplier[o], shift[o]) + output_zero_point, low, high)
 *
 * acc is a sum modulo 2**32; requantize is eb_requantize of requantize.h.
 */
#ifndef EDGEBNN_CONV_INT8_H
#define EDGEBNN_CONV_INT8_H

#include <stdint.h>

#include "geometry.h"

typedef struct eb_conv_int8_layer {
  eb_geometry geometry;
  int32_t groups, group_in, group_out; /* channels of each group */
  int32_t input_zero_point, output_zero_point;
  int32_t low, high;
  int32_t part; /* weights of a channel that are taken at once, where a kernel does not take all */
  const int8_t *weights;
  const int32_t *constants;
} eb_conv_int8_layer;

/* weights:   [output channels][filter_height][filter_width][group_in];
 * constants: [output channels][3]: bias, multiplier, shift. */
void eb_conv_int8(const eb_conv_int8_layer *layer, const int8_t *input, int8_t *output);

/* DSP extension. Windows of two pixels at a time are gathered as pairs of int16 in the scratch, [quads][pixel][2]: of the
 * bytes 0, 1, 2, 3 of a quad the first word holds 0 and 2, the second 1 and 3. Padding is the input's zero point, whose part
 * in the sum is in the bias. The outputs of a group are taken two at a time, the last one of an odd number alone.
 *   weights:   [groups][pairs of output channels][quads][2][4], K = filter_height * filter_width * group_in weights in
 *              quads = ceil(K / 4), zeros where there is no weight or channel;
 *   constants: [groups][pairs][8]: both biases, then of each channel multiplier, addend and shift.
 * Here the shift is to the right, from 1 to 23, and addend = 2**(shift - 1) + output_zero_point * 2**shift. acc lies in
 * [-2**30, 2**30), and as much as is added to it fits in 32 bits.
 *   scratch:   4 * quads words, and quads more if group_in is no multiple of 4.
 * The K weights of a channel lie row by row; where rows of filter_width * group_in weights are no whole quads, what remains of them
 * follows, row by row. */
void eb_conv_int8_dsp(const eb_conv_int8_layer *layer, const int8_t *input, int8_t *output, void *scratch);

/* Without it; acc, multiplier, addend and shift as there. `part` is a multiple of 4; the last part of a window may be shorter.
 *   weights:   [groups][parts][output channels of the group][weights of the part], each part filled up with zeros to a multiple
 *              of 4;
 *   constants: [output channels][4]: bias with the zero point's part, multiplier, addend, shift;
 *   scratch:   4 * (group_out + part) words. */
void eb_conv_int8_words(const eb_conv_int8_layer *layer, const int8_t *input, int8_t *output, void *scratch);

#endif
