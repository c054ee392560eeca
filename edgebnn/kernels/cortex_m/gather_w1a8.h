/* What the kernels with 1-bit weights and int8 activations add up: the windows of four pixels, side by side word by word, as
 * unsigned bytes. And the walk over the pixels. */
#ifndef EDGEBNN_GATHER_W1A8_H
#define EDGEBNN_GATHER_W1A8_H

#include "../core/conv_w1a8.h"

/* An output pixel: its image, the corner of its window, and how many are left in its row, rows in its image, and images. */
typedef struct eb_w1a8_place {
  const int8_t *image;
  int32_t y, x;
  int32_t columns, rows, images;
} eb_w1a8_place;

/* Goes through the output pixels in order, a block at a time. */
typedef struct eb_w1a8_walk {
  const eb_conv_w1a8_sums *layer;
  /* Takes the window of one pixel, whose corner is at (y, x), to every fourth word. */
  void (*take)(const struct eb_w1a8_walk *walk, uint32_t *to, const int8_t *image, int32_t y, int32_t x);
  eb_w1a8_place first, next; /* of this block, and behind it */
  int32_t count;             /* pixels of this block */
} eb_w1a8_walk;

eb_w1a8_walk eb_w1a8_start(const eb_conv_w1a8_sums *layer, const int8_t *input);

/* How many pixels the next block has: four, fewer at the end, then none. */
int32_t eb_w1a8_next(eb_w1a8_walk *walk);

/* So many pixels on, at most those that are left in the row. */
void eb_w1a8_advance(const eb_conv_w1a8_sums *layer, eb_w1a8_place *place, int32_t pixels);

/* The windows of the block's pixels in the channels of a group: [words][EB_W1A8_PIXELS]. What is left of the last word is 0. */
void eb_w1a8_gather(const eb_w1a8_walk *walk, int32_t group, uint32_t *windows);

/* Words of a window. */
static inline int32_t eb_w1a8_words(const eb_conv_w1a8_sums *layer) {
  return (int32_t)((uint32_t)(layer->geometry.filter_height * layer->geometry.filter_width * layer->depth + 3) / 4);
}

#endif
