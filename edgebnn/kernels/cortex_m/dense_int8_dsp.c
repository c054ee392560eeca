/* Matrix products of int8 by smlad: four outputs at a time share what is loaded of the input. */
#include "dense_int8.h"

#include "dsp.h"

#if EB_HAS_DSP

#include "dense_int8_output.h"

enum { OUTPUTS = 4 };

/* Of four weights and four values, already expanded. */
static inline int32_t quad(int32_t sum, const int8_t *weights, uint32_t even, uint32_t odd) {
  const uint32_t word = eb_load_word(weights);
  return eb_dot_halves(eb_odd_bytes(word), odd, eb_dot_halves(eb_even_bytes(word), even, sum));
}

/* Four outputs from number o on; sums begin as biases. */
static void four_sums(const eb_dense_int8_layer *l, int32_t o, const int8_t *input, int32_t sums[OUTPUTS]) {
  const int32_t depth = l->depth;
  const int8_t *w0 = l->weights + o * depth, *w1 = w0 + depth, *w2 = w1 + depth, *w3 = w2 + depth;
  int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
  int32_t k = 0;
  for (; k + 4 <= depth; k += 4, w0 += 4, w1 += 4, w2 += 4, w3 += 4) {
    const uint32_t word = eb_load_word(input + k), even = eb_even_bytes(word), odd = eb_odd_bytes(word);
    s0 = quad(s0, w0, even, odd);
    s1 = quad(s1, w1, even, odd);
    s2 = quad(s2, w2, even, odd);
    s3 = quad(s3, w3, even, odd);
  }
  for (; k < depth; k++) {
    s0 += *w0++ * input[k];
    s1 += *w1++ * input[k];
    s2 += *w2++ * input[k];
    s3 += *w3++ * input[k];
  }
  sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
}

void eb_dense_int8_dsp(const eb_dense_int8_layer *l, const int8_t *input, int8_t *output) {
  for (int32_t row = 0; row < l->rows; row++, input += l->depth) {
    int32_t o = 0;
    for (; o + OUTPUTS <= l->outputs; o += OUTPUTS) {
      int32_t sums[OUTPUTS];
      for (int32_t i = 0; i < OUTPUTS; i++) sums[i] = l->constants[5 * (o + i)];
      four_sums(l, o, input, sums);
      for (int32_t i = 0; i < OUTPUTS; i++) *output++ = eb_dense_int8_output(l, o + i, sums[i]);
    }
    for (; o < l->outputs; o++) *output++ = eb_dense_int8_output(l, o, eb_dense_int8_sum(l, o, input));
  }
}
#endif
