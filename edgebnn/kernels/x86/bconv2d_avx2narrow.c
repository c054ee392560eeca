/* Binary convolution with AVX2 for few output channels, by looking up: for each pixel p and output channel c
 *   x = 2 * sum over words of popcount(pixel ^ weight).
 *
 * As in bconv2d_lookup.h four bits of a weight select one of 16 entries, and the table is chosen by the pixel. There a
 * vector has four bits of the weights of 32 channels; here it has eight bits of 16 channels: the low half of a byte of
 * each, then the high half. So does the table, of which there is one for each of the 256 bytes that a pixel can have. Up
 * to 32 channels load a table half as often so; where two vectors of 32 channels share a load, 16 small tables are faster
 * (Zen 3: 1.15 to 1.5 times).
 */
#include "../core/bconv2d_block.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum {
  LANES = 16,
  CHANNEL_TILE = 2 * LANES,
  PIXEL_TILE = 4,
  CHUNK_WORDS = 15,    /* each adds at most 16 to a byte */
  LONGEST_WORDS = 2040 /* each adds at most 32 to 16 bits */
};

#include "bconv2d_counts.h"
#include "bconv2d_tiles.h"

#define ENTRY(low, high) {EB_COUNTS(low), EB_COUNTS(high)}
#define ENTRIES(high)                                                                                              \
  ENTRY(0, high), ENTRY(1, high), ENTRY(2, high), ENTRY(3, high), ENTRY(4, high), ENTRY(5, high), ENTRY(6, high),  \
      ENTRY(7, high), ENTRY(8, high), ENTRY(9, high), ENTRY(10, high), ENTRY(11, high), ENTRY(12, high),           \
      ENTRY(13, high), ENTRY(14, high), ENTRY(15, high)

static const _Alignas(EB_ALIGNMENT) uint8_t table[256][32] = {
    ENTRIES(0), ENTRIES(1), ENTRIES(2),  ENTRIES(3),  ENTRIES(4),  ENTRIES(5),  ENTRIES(6),  ENTRIES(7),
    ENTRIES(8), ENTRIES(9), ENTRIES(10), ENTRIES(11), ENTRIES(12), ENTRIES(13), ENTRIES(14), ENTRIES(15)};

/* [words][4 bytes][2 vectors][low halves of 16 channels, high halves] */
void eb_bconv2d_avx2narrow_pack(const uint32_t *filter, size_t filter_words, size_t words, int32_t channels,
                                void *packed) {
  uint8_t *to = packed;
  memset(to, 0, words * CHANNEL_TILE * 8);
  for (int32_t channel = 0; channel < channels; channel++) {
    for (size_t word = 0; word < filter_words; word++) {
      const uint32_t weights = filter[(size_t)channel * filter_words + word];
      for (size_t byte = 0; byte < 4; byte++) {
        uint8_t *lane = to + (word * 4 + byte) * 2 * CHANNEL_TILE + channel / LANES * 2 * LANES + channel % LANES;
        lane[0] = weights >> 8 * byte & 15;
        lane[LANES] = weights >> (8 * byte + 4) & 15;
      }
    }
  }
}

/* Where each byte of some pixels finds its table, in bytes. */
typedef struct offsets {
  uint16_t of[PIXEL_TILE][4 * CHUNK_WORDS];
} offsets;

EB_INLINE void look_where(const uint32_t *pixels, size_t stride, int count, size_t words, offsets *at) {
  for (int p = 0; p < count; p++) {
    const uint8_t *restrict bytes = (const uint8_t *)(pixels + (size_t)p * stride);
    uint16_t *restrict of = at->of[p];
    for (size_t i = 0; i < 4 * words; i++) of[i] = (uint16_t)(bytes[i] * sizeof(table[0]));
  }
}

EB_INLINE void find(__m256i *sums, __m256i counts, __m256i weights) {
  *sums = _mm256_add_epi8(*sums, _mm256_shuffle_epi8(counts, weights));
  /* Else gcc turns the additions of one sum round, to do them last, and runs out of registers. */
  __asm__("" : "+x"(*sums));
}

/* Byte sums of at most CHUNK_WORDS words, added to 16-bit sums of 16 channels each. */
EB_INLINE void add_chunk(const uint8_t *weights, const offsets *at, size_t words, int pixels, int vectors,
                         __m256i totals[PIXEL_TILE][2]) {
  __m256i sums[PIXEL_TILE][2];
  for (int p = 0; p < pixels; p++) sums[p][0] = sums[p][1] = _mm256_setzero_si256();
  for (size_t i = 0; i < 4 * words; i += 4, weights += 8 * CHANNEL_TILE) {
    for (int byte = 0; byte < 4; byte++) {
      const __m256i *w = (const __m256i *)(const void *)(weights + 2 * byte * CHANNEL_TILE);
      const __m256i w0 = _mm256_load_si256(w), w1 = _mm256_load_si256(w + 1);
      for (int p = 0; p < pixels; p++) {
        const uint8_t *entry = (const uint8_t *)table + at->of[p][i + byte];
        const __m256i counts = _mm256_load_si256((const __m256i *)(const void *)entry);
        find(&sums[p][0], counts, w0);
        if (vectors == 2) find(&sums[p][1], counts, w1);
      }
    }
  }
  for (int p = 0; p < pixels; p++) {
    for (int v = 0; v < vectors; v++) {
      const __m256i low = _mm256_cvtepu8_epi16(_mm256_castsi256_si128(sums[p][v]));
      const __m256i high = _mm256_cvtepu8_epi16(_mm256_extracti128_si256(sums[p][v], 1));
      totals[p][v] = _mm256_add_epi16(totals[p][v], _mm256_add_epi16(low, high));
    }
  }
}

EB_INLINE void put_eight(__m128i words, int adds, int32_t *x) {
  __m256i doubled = _mm256_slli_epi32(_mm256_cvtepu16_epi32(words), 1);
  if (adds) doubled = _mm256_add_epi32(doubled, _mm256_load_si256((const __m256i *)(const void *)x));
  _mm256_store_si256((__m256i *)(void *)x, doubled);
}

/* x: [pixels][CHANNEL_TILE], of which the first `vectors` * LANES lanes count. Both are constants. */
EB_INLINE void count(const eb_bconv2d_block *b, int32_t first, int pixels, int vectors, int32_t *x) {
  const uint8_t *weights = b->weights;
  const uint32_t *pixel = b->pixels + (size_t)first * b->pixel_stride;
  for (size_t done = 0, some; done < b->words; done += some) {
    some = b->words - done < LONGEST_WORDS ? b->words - done : LONGEST_WORDS;
    __m256i totals[PIXEL_TILE][2];
    for (int p = 0; p < pixels; p++) totals[p][0] = totals[p][1] = _mm256_setzero_si256();
    for (size_t left = some, words; left > 0; left -= words, pixel += words) {
      words = eb_next_part(left, CHUNK_WORDS);
      offsets at;
      look_where(pixel, b->pixel_stride, pixels, words, &at);
      add_chunk(weights, &at, words, pixels, vectors, totals);
      weights += words * 8 * CHANNEL_TILE;
    }
    for (int i = 0; i < vectors * pixels; i++) {
      const int p = i / vectors, v = i % vectors;
      put_eight(_mm256_castsi256_si128(totals[p][v]), done > 0, x + p * CHANNEL_TILE + v * LANES);
      put_eight(_mm256_extracti128_si256(totals[p][v], 1), done > 0, x + p * CHANNEL_TILE + v * LANES + 8);
    }
  }
}

void eb_bconv2d_avx2narrow(const eb_bconv2d_block *b) { eb_run_tiles(b, count); }
#endif
