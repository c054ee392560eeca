/* Functions of one float tensor, element by element, in place if wanted. */
#ifndef EDGEBNN_UNARY_H
#define EDGEBNN_UNARY_H

#include <stdint.h>

typedef struct eb_unary_float_layer {
  int32_t elements;
  float first, second; /* constants of the function, if it has any */
} eb_unary_float_layer;

#define EB_UNARY(name) void eb_##name##_float(const eb_unary_float_layer *layer, const float *input, float *output)

EB_UNARY(abs);
EB_UNARY(neg);
EB_UNARY(sign);
EB_UNARY(square);
EB_UNARY(floor);
EB_UNARY(ceil);
EB_UNARY(round);      /* halves to the even neighbour */
EB_UNARY(clamp);      /* to [first, second] */
EB_UNARY(leaky_relu); /* x, below 0 times first */
EB_UNARY(hard_swish); /* x clamp(x + 3, 0, 6) / 6 */
EB_UNARY(sqrt);       /* sqrt_float.c */
EB_UNARY(rsqrt);
EB_UNARY(exp); /* exp_float.c */
EB_UNARY(elu);
EB_UNARY(logistic);
EB_UNARY(log);  /* log_float.c */
EB_UNARY(tanh); /* tanh_float.c */
EB_UNARY(sin);  /* sin_float.c */
EB_UNARY(cos);
EB_UNARY(gelu);      /* x times the normal distribution's share below it; gelu_float.c */
EB_UNARY(gelu_tanh); /* the same approximated by a hyperbolic tangent; gelu_tanh_float.c */

#define EB_UNARY_KERNEL(name, expression)                                                                       \
  EB_UNARY(name) {                                                                                              \
    for (int32_t i = 0; i < layer->elements; i++) {                                                             \
      const float x = input[i];                                                                                 \
      output[i] = expression;                                                                                   \
    }                                                                                                           \
  }

#endif
