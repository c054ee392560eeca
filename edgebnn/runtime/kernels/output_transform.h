/* From popcount sums to output values, for `channels` output channels of one pixel. One function per output type;
 * all read x = 2 * accum, K - x being the dot product, and do LCE's operations in LCE's order.
 */
#ifndef EDGEBNN_OUTPUT_TRANSFORM_H
#define EDGEBNN_OUTPUT_TRANSFORM_H

#include "kernels.h"

/* The activation. LCE clamps the integer before it becomes a float; as rounding keeps the order, this is the same. */
static inline float eb_clamp(int32_t x, float low, float high) {
  float y = (float)x;
  y = y < high ? y : high;
  return y > low ? y : low;
}

/* y = float(clamp(x)) * multiplier + bias. */
static inline void eb_output_float(const int32_t *restrict x, int32_t channels, float clamp_min, float clamp_max,
                                   const float *restrict multiplier, const float *restrict bias,
                                   float *restrict output) {
  for (int32_t c = 0; c < channels; c++) {
    output[c] = eb_clamp(x[c], clamp_min, clamp_max) * multiplier[c] + bias[c];
  }
}

/* The same y, rounded to nearest with halves away from zero, saturated. */
static inline void eb_output_int8(const int32_t *restrict x, int32_t channels, float clamp_min, float clamp_max,
                                  const float *restrict multiplier, const float *restrict bias,
                                  int8_t *restrict output) {
  for (int32_t c = 0; c < channels; c++) {
    float y = eb_clamp(x[c], clamp_min, clamp_max) * multiplier[c] + bias[c];
    y = y > -128.0f ? y : -128.0f;
    y = y < 127.0f ? y : 127.0f;
    const int32_t toward_zero = (int32_t)y;
    const float rest = y - (float)toward_zero; /* exact, where y + 0.5f is not */
    output[c] = (int8_t)(toward_zero + (rest >= 0.5f) - (rest <= -0.5f));
  }
}

/* Bit c of the result: x[c] > 2 * threshold[c], for at most 32 channels. The thresholds come doubled. */
static inline uint32_t eb_output_bits(const int32_t *restrict x, int32_t channels, const int32_t *restrict threshold) {
  static const uint32_t bit[32] = {
      1u << 0,  1u << 1,  1u << 2,  1u << 3,  1u << 4,  1u << 5,  1u << 6,  1u << 7,  1u << 8,  1u << 9,  1u << 10,
      1u << 11, 1u << 12, 1u << 13, 1u << 14, 1u << 15, 1u << 16, 1u << 17, 1u << 18, 1u << 19, 1u << 20, 1u << 21,
      1u << 22, 1u << 23, 1u << 24, 1u << 25, 1u << 26, 1u << 27, 1u << 28, 1u << 29, 1u << 30, 1u << 31};
  uint32_t bits = 0;
  for (int32_t c = 0; c < channels; c++) bits |= -(uint32_t)(x[c] > threshold[c]) & bit[c];
  return bits;
}

/* The bits of channels [first, first + channels) of a pixel's words. Channels before `first` are already written. */
static inline void eb_output_packed(const int32_t *restrict x, int32_t first, int32_t channels,
                                    const int32_t *restrict threshold, int32_t *restrict output) {
  for (int32_t done = 0; done < channels;) {
    const int32_t shift = (first + done) % 32;
    const int32_t count = channels - done < 32 - shift ? channels - done : 32 - shift;
    const uint32_t bits = eb_output_bits(x + done, count, threshold + done) << shift;
    int32_t *word = output + (first + done) / 32;
    *word = (int32_t)(shift == 0 ? bits : (uint32_t)*word | bits);
    done += count;
  }
}

#endif
