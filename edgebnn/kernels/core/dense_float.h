/* Dense layers of float32, each output summed in the order of the inputs, as TFLite's reference kernel does. For small ones. */
#ifndef EDGEBNN_DENSE_FLOAT_H
#define EDGEBNN_DENSE_FLOAT_H

#include "kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eb_dense_float {
  int32_t inputs, outputs;
  const float *weights; /* [outputs][inputs] */
  const float *bias;    /* [outputs] or NULL */
  float low, high;      /* of the activation */
} eb_dense_float;

/* output: [rows][outputs], of which [begin, end) are computed, counted through all rows. */
EB_EXPORT void eb_dense_float_run(const eb_dense_float *op, const float *input, float *output, int64_t begin, int64_t end);

#ifdef __cplusplus
}
#endif

#endif
