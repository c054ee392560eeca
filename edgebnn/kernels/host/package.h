/* Binary, W1A8 and int8 convolutions as layers of generated packages for processors with an operating system. The kernel is
 * chosen for the processor that runs, and weights are packed for it, before the first inference; that memory is kept. */
#ifndef EDGEBNN_PACKAGE_H
#define EDGEBNN_PACKAGE_H

#include "../core/conv2d_few.h"
#include "../core/w1a8.h"
#include "package_memory.h"

typedef struct eb_package_bconv2d_state {
  eb_bconv2d_plan plan;
  eb_package_memory memory;
} eb_package_bconv2d_state;

typedef struct eb_package_bconv2d_layer {
  eb_bconv2d op;
  const int32_t *filter;
  const float *multiplier, *bias;
  const int32_t *threshold;
  eb_package_bconv2d_state *state;
} eb_package_bconv2d_layer;

/* Returns 0, or -1: there is no memory for it. */
int eb_package_bconv2d_prepare(const eb_package_bconv2d_layer *layer);
void eb_package_bconv2d(const eb_package_bconv2d_layer *layer, const int32_t *input, void *output);

typedef struct eb_package_w1a8_state {
  eb_w1a8_plan plan;
  eb_package_memory memory;
} eb_package_w1a8_state;

typedef struct eb_package_w1a8_layer {
  eb_w1a8 op;
  const int32_t *filter, *magnitude, *bias;
  const double *factor;
  eb_package_w1a8_state *state;
} eb_package_w1a8_layer;

/* Returns 0, or -1: there is no memory for it. */
int eb_package_w1a8_prepare(const eb_package_w1a8_layer *layer);
void eb_package_w1a8(const eb_package_w1a8_layer *layer, const int8_t *input, int8_t *output);

typedef struct eb_package_conv2d_few_state {
  eb_conv2d_few_plan plan;
  eb_package_memory memory;
} eb_package_conv2d_few_state;

typedef struct eb_package_conv2d_few_layer {
  eb_conv2d_few op;
  const int8_t *filter;
  const int32_t *bias;
  const double *factor;
  eb_package_conv2d_few_state *state;
} eb_package_conv2d_few_layer;

/* Returns 0, or -1: there is no memory for it. */
int eb_package_conv2d_few_prepare(const eb_package_conv2d_few_layer *layer);
void eb_package_conv2d_few(const eb_package_conv2d_few_layer *layer, const int8_t *input, int8_t *output);

#endif
