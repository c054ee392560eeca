/* Signs in packed words, 32 channels to a word, bit 1 for -1: from elements, back to elements, and the greatest of a window. */
#ifndef EDGEBNN_SIGN_BITS_H
#define EDGEBNN_SIGN_BITS_H

#include "geometry.h"

typedef struct eb_sign_rows_layer {
  int32_t rows, channels;
  int8_t zero_point;  /* packing int8: what is below it is -1 */
  int8_t plus, minus; /* unpacking to int8: what +1 and -1 become */
} eb_sign_rows_layer;

/* [rows][channels] -> [rows][words]; negative floats are -1 (-0 and NaN are not), and so is false. */
void eb_sign_pack_int8(const eb_sign_rows_layer *layer, const int8_t *input, int32_t *output);
void eb_sign_pack_float(const eb_sign_rows_layer *layer, const float *input, int32_t *output);
void eb_sign_pack_bool(const eb_sign_rows_layer *layer, const uint8_t *input, int32_t *output);

/* [rows][words] -> [rows][channels]. */
void eb_sign_unpack_int8(const eb_sign_rows_layer *layer, const int32_t *input, int8_t *output);
void eb_sign_unpack_float(const eb_sign_rows_layer *layer, const int32_t *input, float *output);
void eb_sign_unpack_bool(const eb_sign_rows_layer *layer, const int32_t *input, uint8_t *output);

typedef struct eb_max_pool_binary_layer {
  eb_geometry geometry;
  int32_t words;
} eb_max_pool_binary_layer;

/* [batches][height][width][words]. The greatest of some signs is -1 only if all are: the AND of the window, without what
 * lies in the padding. */
void eb_max_pool_binary(const eb_max_pool_binary_layer *layer, const int32_t *input, int32_t *output);

#endif
