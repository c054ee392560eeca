/* Means of int8, four outputs at a time. */
#include "mean_int8.h"

#include "dsp.h"

#if EB_HAS_DSP

#include "requantize.h"

static int8_t output_of(const eb_mean_int8_layer *l, int32_t sum) {
  const int32_t scaled = eb_requantize(sum - l->input_offset, l->multiplier, l->shift);
  return (int8_t)eb_clamp(scaled + l->output_zero_point, -128, 127);
}

void eb_mean_int8_dsp(const eb_mean_int8_layer *l, const int8_t *input, int8_t *output) {
  const int32_t inner = l->shape.axis[3 * (l->shape.axes - 1)];
  const int32_t count = l->reduced.axis[0], step = l->reduced.axis[1];
  eb_broadcast_run run = {0};
  do {
    const int8_t *first = input + run.first;
    for (int32_t i = 0; i < inner; i += 4, output += 4) {
      uint32_t even = 0, odd = 0;
      const int8_t *at = first + i;
      for (int32_t left = count; left > 0; left--, at += step) {
        const uint32_t word = eb_load_word(at);
        even = eb_add_even_bytes(even, word);
        odd = eb_add_odd_bytes(odd, word);
      }
      output[0] = output_of(l, (int16_t)even);
      output[1] = output_of(l, (int16_t)odd);
      output[2] = output_of(l, (int32_t)even >> 16);
      output[3] = output_of(l, (int32_t)odd >> 16);
    }
  } while (eb_broadcast_next(&l->shape, &run));
}
#endif
