/* Binary convolution with SSE4.1, for processors without AVX2: look-ups of twice 16 bytes (see bconv2d_lookup.h). */
#include "../core/bconv2d_block.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum { PIXEL_TILE = 2 };

typedef struct {
  __m128i low, high;
} eb_bytes, eb_words;

EB_INLINE eb_bytes eb_zero_bytes(void) { return (eb_bytes){_mm_setzero_si128(), _mm_setzero_si128()}; }
EB_INLINE eb_words eb_zero_words(void) { return eb_zero_bytes(); }

EB_INLINE eb_bytes eb_load(const void *from) {
  const __m128i *at = from;
  return (eb_bytes){_mm_load_si128(at), _mm_load_si128(at + 1)};
}

EB_INLINE void eb_find(eb_bytes *sums, const void *table, eb_bytes weights) {
  const eb_bytes counts = eb_load(table);
  sums->low = _mm_add_epi8(sums->low, _mm_shuffle_epi8(counts.low, weights.low));
  sums->high = _mm_add_epi8(sums->high, _mm_shuffle_epi8(counts.high, weights.high));
  __asm__("" : "+x"(sums->low), "+x"(sums->high)); /* as in bconv2d_avx2.c */
}

EB_INLINE __m128i eb_upper(__m128i bytes) { return _mm_unpackhi_epi64(bytes, bytes); }

EB_INLINE void eb_widen(eb_words *totals, eb_bytes sums) {
  const __m128i low = _mm_add_epi16(_mm_cvtepu8_epi16(sums.low), _mm_cvtepu8_epi16(sums.high));
  const __m128i high = _mm_add_epi16(_mm_cvtepu8_epi16(eb_upper(sums.low)), _mm_cvtepu8_epi16(eb_upper(sums.high)));
  totals->low = _mm_add_epi16(totals->low, low);
  totals->high = _mm_add_epi16(totals->high, high);
}

EB_INLINE void eb_add_four(__m128i words, int32_t *x) {
  __m128i *to = (__m128i *)(void *)x;
  _mm_store_si128(to, _mm_add_epi32(_mm_load_si128(to), _mm_slli_epi32(_mm_cvtepu16_epi32(words), 1)));
}

EB_INLINE void eb_add_doubled(eb_words totals, int32_t *x) {
  eb_add_four(totals.low, x);
  eb_add_four(eb_upper(totals.low), x + 4);
  eb_add_four(totals.high, x + 8);
  eb_add_four(eb_upper(totals.high), x + 12);
}

#include "bconv2d_lookup.h"

void eb_bconv2d_sse4_pack(const uint32_t *filter, size_t filter_words, size_t words, int32_t channels, void *packed) {
  eb_lookup_pack(filter, filter_words, words, channels, packed);
}

void eb_bconv2d_sse4(const eb_bconv2d_block *b) { eb_lookup_run(b); }
#endif
