/* Binary convolution with AVX2: look-ups of 32 bytes (see bconv2d_lookup.h). */
#include "../core/bconv2d_block.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum { LANES = 32, PIXEL_TILE = 4 };

typedef __m256i eb_bytes;

/* Channels 0 to 7 and 16 to 23, and those between and behind. */
typedef struct {
  __m256i even, odd;
} eb_words;

EB_INLINE eb_bytes eb_zero_bytes(void) { return _mm256_setzero_si256(); }
EB_INLINE eb_words eb_zero_words(void) { return (eb_words){_mm256_setzero_si256(), _mm256_setzero_si256()}; }
EB_INLINE eb_bytes eb_load(const void *from) { return _mm256_load_si256(from); }
EB_INLINE eb_bytes eb_repeat(const void *table) { return _mm256_broadcastsi128_si256(_mm_load_si128(table)); }

EB_INLINE void eb_find(eb_bytes *sums, eb_bytes counts, eb_bytes weights) {
  *sums = _mm256_add_epi8(*sums, _mm256_shuffle_epi8(counts, weights));
  /* Else gcc turns the additions of one sum round, to do them last, and runs out of registers. */
  __asm__("" : "+x"(*sums));
}

EB_INLINE void eb_widen(eb_words *totals, eb_bytes sums) {
  const __m256i zero = _mm256_setzero_si256();
  totals->even = _mm256_add_epi16(totals->even, _mm256_unpacklo_epi8(sums, zero));
  totals->odd = _mm256_add_epi16(totals->odd, _mm256_unpackhi_epi8(sums, zero));
}

EB_INLINE void eb_put_eight(__m128i words, int adds, int32_t *x) {
  __m256i doubled = _mm256_slli_epi32(_mm256_cvtepu16_epi32(words), 1);
  if (adds) doubled = _mm256_add_epi32(doubled, eb_load(x));
  _mm256_store_si256((__m256i *)(void *)x, doubled);
}

EB_INLINE void eb_put_doubled(eb_words totals, int adds, int32_t *x) {
  eb_put_eight(_mm256_castsi256_si128(totals.even), adds, x);
  eb_put_eight(_mm256_castsi256_si128(totals.odd), adds, x + 8);
  eb_put_eight(_mm256_extracti128_si256(totals.even, 1), adds, x + 16);
  eb_put_eight(_mm256_extracti128_si256(totals.odd, 1), adds, x + 24);
}

#include "bconv2d_lookup.h"

void eb_bconv2d_avx2_pack(const uint32_t *filter, size_t filter_words, size_t words, int32_t channels, void *packed) {
  eb_lookup_pack(filter, filter_words, words, channels, packed);
}

void eb_bconv2d_avx2(const eb_bconv2d_block *b) { eb_lookup_run(b); }
#endif
