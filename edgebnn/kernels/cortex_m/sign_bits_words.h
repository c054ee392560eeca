/* Packing and unpacking of signs by words of four bytes, and of floats as the integers that their bits are, for cores without
 * vectors. As in sign_bits.h; elements lie at multiples of four bytes. */
#ifndef EDGEBNN_SIGN_BITS_WORDS_H
#define EDGEBNN_SIGN_BITS_WORDS_H

#include "sign_bits.h"

void eb_sign_pack_int8_words(const eb_sign_rows_layer *layer, const int8_t *input, int32_t *output);
void eb_sign_pack_float_words(const eb_sign_rows_layer *layer, const float *input, int32_t *output);
void eb_sign_unpack_int8_words(const eb_sign_rows_layer *layer, const int32_t *input, int8_t *output);
void eb_sign_unpack_float_words(const eb_sign_rows_layer *layer, const int32_t *input, float *output);

#endif
