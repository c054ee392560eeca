/* Between float and quantized integers: QUANTIZE and DEQUANTIZE.
 *
 *   quantize:   clamp(round(input / scale) + zero_point), the quotient in float, halves away from zero; 0 / 0 is 0
 *   dequantize: (input - zero_point) * scale, in float
 */
#ifndef EDGEBNN_QUANTIZE_H
#define EDGEBNN_QUANTIZE_H

#include <stdint.h>

typedef struct eb_quantize_layer {
  int32_t elements;
  float scale;
  int32_t zero_point;
} eb_quantize_layer;

void eb_quantize_int8(const eb_quantize_layer *layer, const float *input, int8_t *output);
void eb_quantize_uint8(const eb_quantize_layer *layer, const float *input, uint8_t *output);

/* The input is [outer][channels][inner], with a scale and a zero point a channel. */
typedef struct eb_dequantize_layer {
  int32_t outer, channels, inner;
  const float *scales;
  const int32_t *zero_points;
} eb_dequantize_layer;

void eb_dequantize_int8(const eb_dequantize_layer *layer, const int8_t *input, float *output);
void eb_dequantize_uint8(const eb_dequantize_layer *layer, const uint8_t *input, float *output);
void eb_dequantize_int16(const eb_dequantize_layer *layer, const int16_t *input, float *output);

#endif
