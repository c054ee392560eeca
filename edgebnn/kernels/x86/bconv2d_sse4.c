/* Binary convolution with SSE4.1, for processors without AVX2: look-ups of 16 bytes (see bconv2d_lookup.h). */
#include "../core/bconv2d_block.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum { LANES = 16, PIXEL_TILE = 4 };

typedef __m128i eb_bytes;

typedef struct {
  __m128i low, high;
} eb_words;

EB_INLINE eb_bytes eb_zero_bytes(void) { return _mm_setzero_si128(); }
EB_INLINE eb_words eb_zero_words(void) { return (eb_words){_mm_setzero_si128(), _mm_setzero_si128()}; }
EB_INLINE eb_bytes eb_load(const void *from) { return _mm_load_si128(from); }
EB_INLINE eb_bytes eb_repeat(const void *table) { return eb_load(table); }

EB_INLINE void eb_find(eb_bytes *sums, eb_bytes counts, eb_bytes weights) {
  *sums = _mm_add_epi8(*sums, _mm_shuffle_epi8(counts, weights));
  __asm__("" : "+x"(*sums)); /* as in bconv2d_avx2.c */
}

EB_INLINE void eb_widen(eb_words *totals, eb_bytes sums) {
  const __m128i zero = _mm_setzero_si128();
  totals->low = _mm_add_epi16(totals->low, _mm_unpacklo_epi8(sums, zero));
  totals->high = _mm_add_epi16(totals->high, _mm_unpackhi_epi8(sums, zero));
}

EB_INLINE void eb_put_four(__m128i words, int adds, int32_t *x) {
  __m128i doubled = _mm_slli_epi32(words, 1);
  if (adds) doubled = _mm_add_epi32(doubled, eb_load(x));
  _mm_store_si128((__m128i *)(void *)x, doubled);
}

EB_INLINE void eb_put_doubled(eb_words totals, int adds, int32_t *x) {
  const __m128i zero = _mm_setzero_si128();
  eb_put_four(_mm_unpacklo_epi16(totals.low, zero), adds, x);
  eb_put_four(_mm_unpackhi_epi16(totals.low, zero), adds, x + 4);
  eb_put_four(_mm_unpacklo_epi16(totals.high, zero), adds, x + 8);
  eb_put_four(_mm_unpackhi_epi16(totals.high, zero), adds, x + 12);
}

#include "bconv2d_lookup.h"

void eb_bconv2d_sse4_pack(const uint32_t *filter, size_t filter_words, size_t words, int32_t channels, void *packed) {
  eb_lookup_pack(filter, filter_words, words, channels, packed);
}

void eb_bconv2d_sse4(const eb_bconv2d_block *b) { eb_lookup_run(b); }
#endif
