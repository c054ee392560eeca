/* Adds sums of three planes to counters of 32 pixels, for one output channel after the other. */
#ifndef EDGEBNN_CONV_BINARY_ADD_H
#define EDGEBNN_CONV_BINARY_ADD_H

#include "conv_binary_numbers.h"

/* Counters of some channels, and the weights that choose among the sums in the table: `stride` words from channel to channel. The
 * assembler counts on the order. */
typedef struct eb_binary_counters {
  uint32_t *first;
  int32_t planes, channels;
  const uint32_t *weights;
  int32_t stride;
} eb_binary_counters;

/* Adds to the counters the sums that one word of weights a channel chooses, or two. */
void eb_binary_add_one(const eb_binary_counters *c, eb_pair (*table)[8]);
void eb_binary_add_two(const eb_binary_counters *c, eb_pair (*table)[8]);

#endif
