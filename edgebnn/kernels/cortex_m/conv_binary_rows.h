/* Binary convolution by rows, for filters of 3 x 3 that move by one pixel: 32 pixels of a row side by side in the bits of a word,
 * as in conv_binary_sliced.h, but what a row of the input gives is computed once and serves all that it is needed for.
 *
 * A row of the filter has three weights for each input channel. While it slides along a row of the input, it adds one of eight
 * sums to each pixel's counter; these sums, of two bits for each of 32 pixels, are computed when the row is read: for each channel
 * a table of eight pairs of words. All output channels choose in them, and all three rows of the filter, for the three rows of the
 * output that the row of the input counts for. So the signs are read and transposed once, not once for each of nine taps. A word
 * of weights in a register holds the filter's row for eight channels; the counters, the partial sums of a row of the output, take
 * in what the three rows of the input give.
 *   Of a row `columns` pixels are counted at a time, 8, 16, 24 or 32; for narrow images a word holds 32 / columns such runs of
 * pixels, of rows that lie apart.
 *
 *   weights: [channels_out][m][3], m = ceil(channels_in / 8): of each row of the filter those of eight channels, three for each
 *            channel from bit 3 on;
 *   scratch: [128 + 384 * m + channels * planes] words, channels: of the output, but at most 32; planes as in conv_binary_sliced.h.
 * One group, no dilation. K < 2**16. A row of the output is written after its windows were read, if a word holds one run and
 * the row has no more than `columns` pixels; else outputs are written while inputs everywhere are still read. The processor is little-endian. */
#ifndef EDGEBNN_CONV_BINARY_ROWS_H
#define EDGEBNN_CONV_BINARY_ROWS_H

#include "conv_binary.h"

void eb_conv_binary_packed_rows(const eb_conv_binary_layer *layer, const int32_t *input, int32_t *output, void *scratch);
void eb_conv_binary_int8_rows(const eb_conv_binary_layer *layer, const int32_t *input, int8_t *output, void *scratch);
void eb_conv_binary_float_rows(const eb_conv_binary_layer *layer, const int32_t *input, float *output, void *scratch);

#endif
