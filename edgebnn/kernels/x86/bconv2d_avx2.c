/* Binary convolution with AVX2: look-ups of 32 bytes (see bconv2d_lookup.h). */
#include "../core/bconv2d_block.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum { PIXEL_TILE = 4 };

typedef __m256i eb_bytes, eb_words;

EB_INLINE eb_bytes eb_zero_bytes(void) { return _mm256_setzero_si256(); }
EB_INLINE eb_words eb_zero_words(void) { return _mm256_setzero_si256(); }
EB_INLINE eb_bytes eb_load(const void *from) { return _mm256_load_si256(from); }

EB_INLINE void eb_find(eb_bytes *sums, const void *table, eb_bytes weights) {
  *sums = _mm256_add_epi8(*sums, _mm256_shuffle_epi8(eb_load(table), weights));
  /* Else gcc turns the additions of one sum round, to do them last, and runs out of registers. */
  __asm__("" : "+x"(*sums));
}

EB_INLINE void eb_widen(eb_words *totals, eb_bytes sums) {
  const __m256i low = _mm256_cvtepu8_epi16(_mm256_castsi256_si128(sums));
  const __m256i high = _mm256_cvtepu8_epi16(_mm256_extracti128_si256(sums, 1));
  *totals = _mm256_add_epi16(*totals, _mm256_add_epi16(low, high));
}

EB_INLINE void eb_add_doubled(eb_words totals, int32_t *x) {
  const __m256i low = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(totals));
  const __m256i high = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(totals, 1));
  _mm256_store_si256((__m256i *)(void *)x, _mm256_add_epi32(eb_load(x), _mm256_slli_epi32(low, 1)));
  _mm256_store_si256((__m256i *)(void *)(x + 8), _mm256_add_epi32(eb_load(x + 8), _mm256_slli_epi32(high, 1)));
}

#include "bconv2d_lookup.h"

void eb_bconv2d_avx2_pack(const uint32_t *filter, size_t filter_words, size_t words, int32_t channels, void *packed) {
  eb_lookup_pack(filter, filter_words, words, channels, packed);
}

void eb_bconv2d_avx2(const eb_bconv2d_block *b) { eb_lookup_run(b); }
#endif
