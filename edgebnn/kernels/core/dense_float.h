/* Dense layers of float32, each output summed in the order of the inputs, as TFLite's reference kernel does, and what may stand
 * behind them. For small ones. */
#ifndef EDGEBNN_DENSE_FLOAT_H
#define EDGEBNN_DENSE_FLOAT_H

#include "kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { EB_DENSE_LANES = 32 };

typedef struct eb_dense_float {
  int32_t inputs, outputs;
  const float *packed; /* by eb_dense_float_pack */
  const float *bias;   /* [outputs] or NULL */
  float low, high;     /* of the activation */
} eb_dense_float;

/* Floats of packed weights. */
EB_EXPORT size_t eb_dense_float_packed(int32_t inputs, int32_t outputs);

/* weights: [outputs][inputs] */
EB_EXPORT void eb_dense_float_pack(int32_t inputs, int32_t outputs, const float *weights, float *packed);

/* 1 / (1 + exp(-x)) of each. */
EB_EXPORT void eb_logistic_run(const float *input, float *output, int32_t count);

#ifdef __cplusplus
}
#endif

#endif
