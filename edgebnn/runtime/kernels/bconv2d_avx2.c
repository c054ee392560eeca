/* Binary convolution with AVX2, by looking up: for each pixel p and output channel c
 *   x = 2 * sum over words of popcount(pixel ^ weight).
 *
 * Four bits of a weight select one of 16 entries, the popcounts of those bits XOR four bits of the pixel: the table is
 * chosen by the pixel, and neither XOR nor shift nor mask remains in the loop. A register holds 16 channels: the low
 * half of a byte of each in its low lane, the high half in its high lane; so does the table, of which there is one for
 * each of the 256 bytes that a pixel can have. A byte of 16 channels takes a shuffle and an addition; sums are bytes
 * and are widened before they overflow.
 */
#include "output_transform.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum {
  LANES = 16,
  CHANNEL_TILE = 2 * LANES,
  PIXEL_TILE = 4,
  CHUNK_WORDS = 15,    /* each adds at most 16 to a byte */
  LONGEST_WORDS = 2040 /* each adds at most 32 to 16 bits */
};

/* popcount of a number below 16 */
#define BITS(n) ((0x4332322132212110u >> 4 * (n)) & 15)
#define HALF(n)                                                                                                     \
  BITS((n) ^ 0), BITS((n) ^ 1), BITS((n) ^ 2), BITS((n) ^ 3), BITS((n) ^ 4), BITS((n) ^ 5), BITS((n) ^ 6),          \
      BITS((n) ^ 7), BITS((n) ^ 8), BITS((n) ^ 9), BITS((n) ^ 10), BITS((n) ^ 11), BITS((n) ^ 12), BITS((n) ^ 13), \
      BITS((n) ^ 14), BITS((n) ^ 15)
#define ENTRY(low, high) {HALF(low), HALF(high)}
#define ENTRIES(high)                                                                                              \
  ENTRY(0, high), ENTRY(1, high), ENTRY(2, high), ENTRY(3, high), ENTRY(4, high), ENTRY(5, high), ENTRY(6, high),  \
      ENTRY(7, high), ENTRY(8, high), ENTRY(9, high), ENTRY(10, high), ENTRY(11, high), ENTRY(12, high),           \
      ENTRY(13, high), ENTRY(14, high), ENTRY(15, high)

static const _Alignas(EB_ALIGNMENT) uint8_t table[256][32] = {
    ENTRIES(0), ENTRIES(1), ENTRIES(2),  ENTRIES(3),  ENTRIES(4),  ENTRIES(5),  ENTRIES(6),  ENTRIES(7),
    ENTRIES(8), ENTRIES(9), ENTRIES(10), ENTRIES(11), ENTRIES(12), ENTRIES(13), ENTRIES(14), ENTRIES(15)};

/* [words][4 bytes][2 vectors][low halves of 16 channels, high halves] */
void eb_bconv2d_avx2_pack(const uint32_t *filter, size_t filter_words, size_t words, int32_t channels, void *packed) {
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

/* Without this, gcc turns the additions of one sum round, to do them last, and runs out of registers. */
#define KEEP_ORDER(sum) __asm__("" : "+x"(sum))

EB_INLINE __m256i load(const void *from) { return _mm256_load_si256(from); }

/* Byte sums of at most CHUNK_WORDS words, added to 16-bit sums of 16 channels each. */
EB_INLINE void add_chunk(const uint8_t *weights, const offsets *at, size_t words, int pixels, int vectors,
                         __m256i totals[PIXEL_TILE][2]) {
  __m256i sums[PIXEL_TILE][2];
  for (int p = 0; p < pixels; p++) sums[p][0] = sums[p][1] = _mm256_setzero_si256();
  for (size_t i = 0; i < 4 * words; i += 4, weights += 8 * CHANNEL_TILE) {
    for (int byte = 0; byte < 4; byte++) {
      const __m256i w0 = load(weights + 2 * byte * CHANNEL_TILE);
      const __m256i w1 = load(weights + 2 * byte * CHANNEL_TILE + 32);
      for (int p = 0; p < pixels; p++) {
        const __m256i counts = load((const uint8_t *)table + at->of[p][i + byte]);
        sums[p][0] = _mm256_add_epi8(sums[p][0], _mm256_shuffle_epi8(counts, w0));
        KEEP_ORDER(sums[p][0]);
        if (vectors < 2) continue;
        sums[p][1] = _mm256_add_epi8(sums[p][1], _mm256_shuffle_epi8(counts, w1));
        KEEP_ORDER(sums[p][1]);
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

/* x += 2 * totals, of 16 channels */
EB_INLINE void add_doubled(__m256i totals, int32_t *x) {
  const __m256i low = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(totals));
  const __m256i high = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(totals, 1));
  _mm256_store_si256((__m256i *)x, _mm256_add_epi32(load(x), _mm256_slli_epi32(low, 1)));
  _mm256_store_si256((__m256i *)(x + 8), _mm256_add_epi32(load(x + 8), _mm256_slli_epi32(high, 1)));
}

/* x: [pixels][CHANNEL_TILE], of which the first `vectors` * LANES lanes count. Both are constants. */
EB_INLINE void count(const eb_bconv2d_block *b, int32_t first, int pixels, int vectors, int32_t *x) {
  const uint8_t *weights = b->weights;
  const uint32_t *pixel = b->pixels + (size_t)first * b->pixel_stride;
  memset(x, 0, (size_t)pixels * CHANNEL_TILE * sizeof(int32_t));
  for (size_t left = b->words; left > 0;) {
    size_t some = left < LONGEST_WORDS ? left : LONGEST_WORDS;
    left -= some;
    __m256i totals[PIXEL_TILE][2];
    for (int p = 0; p < pixels; p++) totals[p][0] = totals[p][1] = _mm256_setzero_si256();
    while (some > 0) {
      const size_t chunks = (some + CHUNK_WORDS - 1) / CHUNK_WORDS;
      const size_t words = (some + chunks - 1) / chunks;
      offsets at;
      look_where(pixel, b->pixel_stride, pixels, words, &at);
      add_chunk(weights, &at, words, pixels, vectors, totals);
      weights += words * 8 * CHANNEL_TILE;
      pixel += words;
      some -= words;
    }
    for (int i = 0; i < vectors * pixels; i++) {
      const int p = i / vectors, v = i % vectors;
      add_doubled(totals[p][v], x + p * CHANNEL_TILE + v * LANES);
    }
  }
}

static void count_rest(const eb_bconv2d_block *b, int32_t first, int32_t pixels, int32_t *x) {
  switch (pixels) {
    case 1: count(b, first, 1, 2, x); break;
    case 2: count(b, first, 2, 2, x); break;
    default: count(b, first, 3, 2, x); break;
  }
}

static void write_output(const eb_bconv2d_block *b, int32_t first, int32_t pixels, int32_t *x) {
  eb_write_output(b, first, pixels, x, CHANNEL_TILE);
}

void eb_bconv2d_avx2(const eb_bconv2d_block *b) {
  _Alignas(EB_ALIGNMENT) int32_t x[PIXEL_TILE * CHANNEL_TILE];
  const int32_t whole = b->pixel_count / PIXEL_TILE * PIXEL_TILE;
  for (int32_t p = 0; p < whole; p += PIXEL_TILE) {
    if (b->channels <= LANES) {
      count(b, p, PIXEL_TILE, 1, x);
    } else {
      count(b, p, PIXEL_TILE, 2, x);
    }
    write_output(b, p, PIXEL_TILE, x);
  }
  if (whole == b->pixel_count) return;
  count_rest(b, whole, b->pixel_count - whole, x);
  write_output(b, whole, b->pixel_count - whole, x);
}
#endif
