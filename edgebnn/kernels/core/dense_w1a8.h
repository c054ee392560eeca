/* Dense layers with 1-bit weights and int8 activations, on devices.
 *
 *   accumulator = magnitude * sum + constant
 *   output = clamp(round(accumulator * factor) + output zero point), the product in double and rounded once,
 * and that equals, for every accumulator that can occur,
 *   clamp((accumulator * multiplier + addend) >> shift)
 * in 64 bits, which is proven when the layer is made. `sum` is a kernel's own; the constant has bias and zero point.
 */
#ifndef EDGEBNN_DENSE_W1A8_H
#define EDGEBNN_DENSE_W1A8_H

#include <stdint.h>

typedef struct eb_dense_w1a8_layer {
  int32_t rows, depth, outputs;
  int32_t low, high;
  const int32_t *weights;   /* [outputs][words], in the kernel's order */
  const int32_t *constants; /* [outputs][6]: magnitude, constant, multiplier, addend (lower and upper half), shift */
} eb_dense_w1a8_layer;

/* The sum of w * x; weights as in the file: bit 1 is -1. */
void eb_dense_w1a8(const eb_dense_w1a8_layer *layer, const int8_t *input, int8_t *output);

/* The sum of x + 128 where w = +1, of 127 - x where w = -1. A word of weights has in bit 8 * lane + k the sign of byte
 * `lane` of the k-th word of inputs; what is left over by 8 words of inputs lies in the last bits of the first word. Scratch: a
 * row of inputs in words, a multiple of 8. */
void eb_dense_w1a8_bytes(const eb_dense_w1a8_layer *layer, const int8_t *input, int8_t *output, void *scratch);

#endif
