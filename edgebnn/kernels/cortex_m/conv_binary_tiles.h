/* What kernels share that count 32 pixels side by side in the bits of a word: counters for a tile of pixels and channels are
 * started, counted and written. conv_binary_sliced.h and conv_binary_rows.h say how they are counted. */
#ifndef EDGEBNN_CONV_BINARY_TILES_H
#define EDGEBNN_CONV_BINARY_TILES_H

#include "conv_binary_numbers.h"
#include "conv_binary_output.h"

/* A pixel of the output. */
typedef struct eb_binary_place {
  int32_t batch, row, column;
} eb_binary_place;

/* Pixels whose windows reach equally far into the padding. */
typedef struct eb_padding_pixels {
  int32_t number;
  uint32_t pixels;
} eb_padding_pixels;

/* What is computed at a time: some channels of a group, of at most 32 pixels. These are `runs` runs of pixels that lie side by
 * side in the output; a run's first pixel lies `apart` rows below that of the run before it, and `lanes` bits higher. */
typedef struct eb_binary_tile {
  const eb_conv_binary_layer *layer;
  eb_binary_place first;
  int32_t pixel; /* the number of the first */
  int32_t pixels, runs, apart, lanes;
  int32_t channel, channels;
  uint32_t *counters; /* [channels][planes], the lowest bits first */
  int32_t planes;
  int32_t *numbers;           /* [2 * EB_LANES] while it is written */
  eb_padding_pixels *classes; /* [EB_LANES] */
  uint32_t *bits;             /* [EB_LANES], packed output: a word for each channel, kept from tile to tile */
} eb_binary_tile;

/* Sets the counters of a tile to what they start from; writes the output that follows from them. */
typedef void eb_binary_start(const eb_binary_tile *tile);
typedef void eb_binary_write(const eb_binary_tile *tile, void *output);

/* For packed output; the others start from 0. */
void eb_binary_start_packed(const eb_binary_tile *tile);
void eb_binary_start_zero(const eb_binary_tile *tile);

void eb_binary_write_packed(const eb_binary_tile *tile, void *output);
void eb_binary_write_int8(const eb_binary_tile *tile, void *output);
void eb_binary_write_float(const eb_binary_tile *tile, void *output);

/* A kernel: all of a layer. extra_bits: of the counters, beside those of K. */
typedef void eb_binary_method(const eb_conv_binary_layer *layer, const int32_t *input, int32_t extra_bits,
                              eb_binary_start *start, eb_binary_write *write, void *scratch, void *output);
eb_binary_method eb_binary_sliced, eb_binary_rows;

eb_binary_place eb_binary_after(const eb_geometry *g, eb_binary_place place, int32_t pixels);

void eb_binary_transpose(uint32_t words[EB_LANES]);

/* The classes of padding of a tile's pixels, if the layer takes padding back. How many there are is returned. */
int32_t eb_binary_find_padding(const eb_binary_tile *tile);

/* Adds a channel's weights in the padding, where `count` classes were found. */
void eb_binary_add_padding(const eb_binary_tile *tile, int32_t channel, int32_t count, int32_t x[EB_LANES]);

/* Of three planes all sums with weights: bit 0 of the index flips the first plane, bit 1 the second, bit 2 the third. Flipping
 * all three flips both bits of the sum. */
EB_SLICES_INLINE void eb_binary_fill_sums(uint32_t a, uint32_t b, uint32_t c, eb_pair t[8]) {
  const uint32_t u = a ^ b, v = a ^ c, odd = u ^ c;
  const uint32_t none = a ^ (u & v), first = a ^ (u | v), second = a ^ (v & ~u), third = a ^ (u & ~v);
  t[0].low = odd, t[0].high = none;
  t[1].low = ~odd, t[1].high = first;
  t[2].low = ~odd, t[2].high = second;
  t[3].low = odd, t[3].high = ~third;
  t[4].low = ~odd, t[4].high = third;
  t[5].low = odd, t[5].high = ~second;
  t[6].low = odd, t[6].high = ~first;
  t[7].low = ~odd, t[7].high = ~none;
}

#endif
