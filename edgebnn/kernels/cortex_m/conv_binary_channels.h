/* What the kernels by channel share, whatever their output is; conv_binary_by_channel.h says how they count. */
#ifndef EDGEBNN_CONV_BINARY_CHANNELS_H
#define EDGEBNN_CONV_BINARY_CHANNELS_H

#include "bit_slices.h"
#include "conv_binary_by_channel.h"
#include "conv_binary_numbers.h"
#include "conv_binary_output.h"

/* 32 channels, or those that are left, of one pixel. */
typedef struct eb_binary_block {
  const eb_conv_binary_layer *layer;
  int32_t pixel, padding_class;
  int32_t block, blocks;
  int32_t planes;
  uint32_t *counters; /* [planes] */
} eb_binary_block;

typedef void eb_binary_start_block(const eb_binary_block *block);
typedef void eb_binary_write_block(const eb_binary_block *block, void *output);

/* All of a layer. extra_bits: of the counters, beside those of K. */
void eb_binary_blocks(const eb_conv_binary_layer *layer, const int32_t *input, int32_t extra_bits,
                      eb_binary_start_block *start, eb_binary_write_block *write, void *scratch, void *output);

/* The counters start from 0. */
void eb_binary_start_block_zero(const eb_binary_block *block);

#endif
