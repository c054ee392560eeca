/* What the sliced kernels of each kind of output share: counters for a tile of pixels and channels are started, counted and
 * written. conv_binary_sliced.h says how. */
#ifndef EDGEBNN_CONV_BINARY_TILES_H
#define EDGEBNN_CONV_BINARY_TILES_H

#include "conv_binary_output.h"
#include "conv_binary_sliced.h"

/* A pixel of the output. */
typedef struct eb_binary_place {
  int32_t batch, row, column;
} eb_binary_place;

/* What is computed at a time: 32 pixels, or those that are left, and some channels of a group. */
typedef struct eb_binary_tile {
  const eb_conv_binary_layer *layer;
  eb_binary_slices *slices;
  eb_binary_place first;
  int32_t pixel, pixels;
  int32_t channel, channels;
  uint32_t *counters; /* [channels][planes], the lowest bits first */
  int32_t planes;
} eb_binary_tile;

/* Sets the counters of a tile to what they start from; writes the output that follows from them. */
typedef void eb_binary_start(const eb_binary_tile *tile);
typedef void eb_binary_write(const eb_binary_tile *tile, void *output);

/* All of a layer. extra_bits: of the counters, beside those of K. */
void eb_binary_tiles(const eb_conv_binary_layer *layer, const int32_t *input, int32_t extra_bits, eb_binary_start *start,
                     eb_binary_write *write, void *scratch, void *output);

/* All counters start from 0. */
void eb_binary_start_zero(const eb_binary_tile *tile);

void eb_binary_transpose(uint32_t words[EB_LANES]);

/* Pixels whose windows reach equally far into the padding. */
typedef struct eb_padding_pixels {
  int32_t number;
  uint32_t pixels;
} eb_padding_pixels;

/* Those of a tile, if the layer takes padding back; they lie in the table. How many there are is returned. */
int32_t eb_binary_find_padding(const eb_binary_tile *tile, eb_padding_pixels **classes);

/* Adds a channel's weights in the padding. */
void eb_binary_add_padding(const eb_binary_tile *tile, int32_t channel, const eb_padding_pixels *classes, int32_t count,
                           int32_t x[EB_LANES]);

#endif
