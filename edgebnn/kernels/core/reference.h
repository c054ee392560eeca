/* The convolutions written out, for people and for the tests, which hold every kernel against them. They take the operation
 * with its window resolved, need no plan, no preparation and no memory, and are slow. */
#ifndef EDGEBNN_REFERENCE_H
#define EDGEBNN_REFERENCE_H

#include "conv2d_few.h"
#include "w1a8.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What belongs to each output channel of a binary convolution, as eb_bconv2d_prepare takes it. */
typedef struct eb_bconv2d_constants {
  const int32_t *filter;
  const float *multiplier, *bias; /* float32 and int8 output */
  const int32_t *threshold;       /* packed output */
} eb_bconv2d_constants;

/* input, residual and output as for eb_bconv2d_run. */
EB_EXPORT void eb_bconv2d_reference(const eb_bconv2d *op, const eb_bconv2d_constants *constants, const int32_t *input,
                                    const float *residual, void *output);

/* input and output as for eb_w1a8_run: convolutions, depthwise and dense layers. */
EB_EXPORT void eb_w1a8_reference(const eb_w1a8 *op, const eb_w1a8_constants *constants, const int8_t *input,
                                 int8_t *output);

/* As eb_conv2d_few_run; pool: that of the operation's plan. Sums of float32 are of double. */
EB_EXPORT void eb_conv2d_few_reference(const eb_conv2d_few *op, const eb_window *pool,
                                       const eb_conv2d_few_constants *constants, const void *input, void *output);

#ifdef __cplusplus
}
#endif

#endif
