/* Binary convolution by looking up, for kernels of 16-byte shuffles: for each pixel p and output channel c
 *   x = 2 * sum over words of popcount(pixel ^ weight).
 *
 * Four bits of a weight select one of 16 entries, the popcounts of those bits XOR four bits of the pixel: the table is
 * chosen by the pixel, and neither XOR nor shift nor mask remains in the loop. 32 bytes hold 16 channels: the low half
 * of a byte of each, then the high half; so does the table, of which there is one for each of the 256 bytes that a
 * pixel can have. A byte of 16 channels takes a shuffle and an addition of 32 bytes; sums are bytes and are widened
 * before they overflow.
 *
 * What includes this defines before: PIXEL_TILE, for which there are registers; eb_bytes, 32 bytes, and eb_words, 16
 * sums of 16 bits; and how to
 *   eb_bytes eb_zero_bytes(void);  eb_words eb_zero_words(void);  eb_bytes eb_load(const void *);
 *   void eb_find(eb_bytes *sums, const void *table, eb_bytes weights);   sums += what the weights find
 *   void eb_widen(eb_words *totals, eb_bytes sums);                      totals += low halves + high halves
 *   void eb_add_doubled(eb_words totals, int32_t *x);                    x += 2 * totals
 */
#ifndef EDGEBNN_BCONV2D_LOOKUP_H
#define EDGEBNN_BCONV2D_LOOKUP_H

#include "bconv2d_tiles.h"

enum {
  LANES = 16,
  CHANNEL_TILE = 2 * LANES,
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
EB_INLINE void eb_lookup_pack(const uint32_t *filter, size_t filter_words, size_t words, int32_t channels,
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

/* Byte sums of at most CHUNK_WORDS words, added to 16-bit sums of 16 channels each. */
EB_INLINE void add_chunk(const uint8_t *weights, const offsets *at, size_t words, int pixels, int vectors,
                         eb_words totals[PIXEL_TILE][2]) {
  eb_bytes sums[PIXEL_TILE][2];
  for (int p = 0; p < pixels; p++) sums[p][0] = sums[p][1] = eb_zero_bytes();
  for (size_t i = 0; i < 4 * words; i += 4, weights += 8 * CHANNEL_TILE) {
    for (int byte = 0; byte < 4; byte++) {
      const eb_bytes w0 = eb_load(weights + 2 * byte * CHANNEL_TILE);
      const eb_bytes w1 = eb_load(weights + 2 * byte * CHANNEL_TILE + 32);
      for (int p = 0; p < pixels; p++) {
        const uint8_t *counts = (const uint8_t *)table + at->of[p][i + byte];
        eb_find(&sums[p][0], counts, w0);
        if (vectors == 2) eb_find(&sums[p][1], counts, w1);
      }
    }
  }
  for (int p = 0; p < pixels; p++) {
    for (int v = 0; v < vectors; v++) eb_widen(&totals[p][v], sums[p][v]);
  }
}

/* x: [pixels][CHANNEL_TILE], of which the first `vectors` * LANES lanes count. Both are constants. */
EB_INLINE void eb_lookup_count(const eb_bconv2d_block *b, int32_t first, int pixels, int vectors, int32_t *x) {
  const uint8_t *weights = b->weights;
  const uint32_t *pixel = b->pixels + (size_t)first * b->pixel_stride;
  memset(x, 0, (size_t)pixels * CHANNEL_TILE * sizeof(int32_t));
  for (size_t left = b->words; left > 0;) {
    size_t some = left < LONGEST_WORDS ? left : LONGEST_WORDS;
    left -= some;
    eb_words totals[PIXEL_TILE][2];
    for (int p = 0; p < pixels; p++) totals[p][0] = totals[p][1] = eb_zero_words();
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
      eb_add_doubled(totals[p][v], x + p * CHANNEL_TILE + v * LANES);
    }
  }
}

/* The kernel. */
EB_INLINE void eb_lookup_run(const eb_bconv2d_block *b) {
  eb_run_tiles(b, LANES, CHANNEL_TILE, PIXEL_TILE, eb_lookup_count);
}

#endif
