/* sum += inputs * weights, four neighbouring products of uint8 and int8 to each int32, of 256 bits and exactly. In assembly, since
 * gcc would copy sums from register to register; in the encoding of AVX-VNNI or, where the file is compiled for AVX-512, in that
 * one. Older compilers and their assemblers do not know the former. */
#ifndef EDGEBNN_VPDPBUSD_H
#define EDGEBNN_VPDPBUSD_H

#include <immintrin.h>

#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
#define EB_VPDPBUSD(sum, inputs, weights) __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(inputs), "v"(weights))
#elif defined(__clang__) ? __clang_major__ >= 12 : __GNUC__ >= 11
#define EB_VPDPBUSD(sum, inputs, weights) __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(inputs), "x"(weights))
#else
static inline __attribute__((always_inline)) __m256i eb_dot_of_bytes(__m256i sum, __m256i inputs, __m256i weights) {
  const __m256i even_inputs = _mm256_and_si256(inputs, _mm256_set1_epi16(0xFF));
  const __m256i even_weights = _mm256_srai_epi16(_mm256_slli_epi16(weights, 8), 8);
  const __m256i even = _mm256_madd_epi16(even_inputs, even_weights);
  const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(inputs, 8), _mm256_srai_epi16(weights, 8));
  return _mm256_add_epi32(sum, _mm256_add_epi32(even, odd));
}
#define EB_VPDPBUSD(sum, inputs, weights) ((sum) = eb_dot_of_bytes(sum, inputs, weights))
#endif

#endif
