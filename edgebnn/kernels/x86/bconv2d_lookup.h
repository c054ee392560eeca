/* Binary convolution by looking up, for kernels of 16-byte shuffles: for each pixel p and output channel c
 *   x = 2 * sum over words of popcount(pixel ^ weight).
 *
 * Four bits of a weight select one of 16 entries, the popcounts of those bits XOR four bits of the pixel: the table is
 * chosen by the pixel, and neither XOR nor shift nor mask remains in the loop. A vector holds four bits of the weights of
 * LANES channels, a byte of each; four bits of LANES channels take a shuffle and an addition. There are 16 tables of 16
 * bytes. Sums are bytes and are widened before they overflow.
 *
 * What includes this defines before: LANES, the bytes of a vector; PIXEL_TILE, for which there are registers; eb_bytes, a
 * vector, and eb_words, LANES sums of 16 bits, in any order; and how to
 *   eb_bytes eb_zero_bytes(void);  eb_words eb_zero_words(void);  eb_bytes eb_load(const void *);
 *   eb_bytes eb_repeat(const void *table);               16 bytes, over and over
 *   void eb_find(eb_bytes *sums, eb_bytes counts, eb_bytes weights);   sums += what the weights find
 *   void eb_widen(eb_words *totals, eb_bytes sums);      totals += sums
 *   void eb_put_doubled(eb_words totals, int adds, int32_t *x);        x = 2 * totals, or x += 2 * totals
 */
#ifndef EDGEBNN_BCONV2D_LOOKUP_H
#define EDGEBNN_BCONV2D_LOOKUP_H

enum {
  CHANNEL_TILE = 2 * LANES,
  CHUNK_WORDS = 7,     /* each adds at most 32 to a byte */
  PIECE_WORDS = 63,    /* whose tables are found in one go */
  LONGEST_WORDS = 2040 /* each adds at most 32 to 16 bits */
};

#include "bconv2d_counts.h"
#include "bconv2d_tiles.h"

static const _Alignas(EB_ALIGNMENT) uint8_t table[16][16] = {
    {EB_COUNTS(0)},  {EB_COUNTS(1)},  {EB_COUNTS(2)},  {EB_COUNTS(3)},  {EB_COUNTS(4)},  {EB_COUNTS(5)},
    {EB_COUNTS(6)},  {EB_COUNTS(7)},  {EB_COUNTS(8)},  {EB_COUNTS(9)},  {EB_COUNTS(10)}, {EB_COUNTS(11)},
    {EB_COUNTS(12)}, {EB_COUNTS(13)}, {EB_COUNTS(14)}, {EB_COUNTS(15)}};

/* [words][4 bytes][low half, high half][CHANNEL_TILE] */
EB_INLINE void eb_lookup_pack(const uint32_t *filter, size_t filter_words, size_t words, int32_t channels,
                              void *packed) {
  uint8_t *to = packed;
  memset(to, 0, words * CHANNEL_TILE * 8);
  for (int32_t channel = 0; channel < channels; channel++) {
    for (size_t word = 0; word < filter_words; word++) {
      const uint32_t weights = filter[(size_t)channel * filter_words + word];
      for (size_t half = 0; half < 8; half++) {
        to[(word * 8 + half) * CHANNEL_TILE + (size_t)channel] = weights >> 4 * half & 15;
      }
    }
  }
}

/* Where the halves of each byte of some pixels find their tables, in bytes: each byte of a word stands for one. */
typedef struct offsets {
  uint32_t low[PIXEL_TILE][PIECE_WORDS], high[PIXEL_TILE][PIECE_WORDS];
} offsets;

EB_INLINE void look_where(const uint32_t *pixels, size_t stride, int count, size_t words, offsets *at) {
  for (int p = 0; p < count; p++) {
    const uint32_t *restrict pixel = pixels + (size_t)p * stride;
    uint32_t *restrict low = at->low[p], *restrict high = at->high[p];
    for (size_t i = 0; i < words; i++) {
      low[i] = pixel[i] << 4 & 0xf0f0f0f0u;
      high[i] = pixel[i] & 0xf0f0f0f0u;
    }
  }
}

/* Byte sums of at most CHUNK_WORDS words, added to 16-bit sums of a vector of channels each. */
EB_INLINE void add_chunk(const uint8_t *weights, const offsets *at, size_t first, size_t words, int pixels, int vectors,
                         eb_words totals[PIXEL_TILE][2]) {
  eb_bytes sums[PIXEL_TILE][2];
  for (int p = 0; p < pixels; p++) sums[p][0] = sums[p][1] = eb_zero_bytes();
  const uint8_t *low = (const uint8_t *)&at->low[0][first], *high = (const uint8_t *)&at->high[0][first];
  for (size_t i = 0; i < words; i++, low += 4, high += 4, weights += 8 * CHANNEL_TILE) {
#pragma GCC unroll 8
    for (int half = 0; half < 8; half++) {
      const eb_bytes w0 = eb_load(weights + half * CHANNEL_TILE);
      const eb_bytes w1 = eb_load(weights + half * CHANNEL_TILE + LANES);
#pragma GCC unroll 8
      for (int p = 0; p < pixels; p++) {
        const int offset = (half % 2 ? high : low)[4 * PIECE_WORDS * p + half / 2];
        const eb_bytes counts = eb_repeat((const uint8_t *)table + offset);
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
  for (size_t done = 0, some; done < b->words; done += some) {
    some = b->words - done < LONGEST_WORDS ? b->words - done : LONGEST_WORDS;
    eb_words totals[PIXEL_TILE][2];
    for (int p = 0; p < pixels; p++) totals[p][0] = totals[p][1] = eb_zero_words();
    for (size_t left = some, piece; left > 0; left -= piece, pixel += piece) {
      piece = eb_next_part(left, PIECE_WORDS);
      offsets at;
      look_where(pixel, b->pixel_stride, pixels, piece, &at);
      for (size_t at_word = 0, words; at_word < piece; at_word += words) {
        words = eb_next_part(piece - at_word, CHUNK_WORDS);
        add_chunk(weights, &at, at_word, words, pixels, vectors, totals);
        weights += words * 8 * CHANNEL_TILE;
      }
    }
    for (int i = 0; i < vectors * pixels; i++) {
      const int p = i / vectors, v = i % vectors;
      eb_put_doubled(totals[p][v], done > 0, x + p * CHANNEL_TILE + v * LANES);
    }
  }
}

/* The kernel. */
EB_INLINE void eb_lookup_run(const eb_bconv2d_block *b) {
  eb_run_tiles(b, eb_lookup_count);
}

#endif
