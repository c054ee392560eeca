/* Binary convolution's inner loop for any processor. For each pixel p and output channel c
 *   x = 2 * sum over words of popcount(pixel ^ weight).
 *
 * Four output channels stand side by side in a vector of four words, so that nothing is ever summed across a vector.
 * Bits are counted by carry-save adders (Harley and Seal; see W. Mula, N. Kurz, D. Lemire, "Faster population counts
 * using AVX2 instructions", 2016): for each bit position, eight words are added to counters of weight 1, 2 and 4, and
 * only what is carried out of them, of weight 8, goes through a popcount.
 */
#include "output_transform.h"

enum { LANES = 4, CHANNEL_TILE = 8, VECTORS = CHANNEL_TILE / LANES };

typedef uint32_t vec __attribute__((vector_size(4 * LANES)));

/* popcount of each byte. */
EB_INLINE vec count_bytes(vec x) {
  x -= (x >> 1) & 0x55555555u;
  x = (x & 0x33333333u) + ((x >> 2) & 0x33333333u);
  return (x + (x >> 4)) & 0x0f0f0f0fu;
}

/* The sum of the four bytes of each word. */
EB_INLINE vec sum_bytes(vec x) {
  x = (x & 0x00ff00ffu) + ((x >> 8) & 0x00ff00ffu);
  return (x + (x >> 16)) & 0xffffu;
}

/* Adds a and b to the counter, bit by bit; returns the carries. */
EB_INLINE vec add_carry(vec *counter, vec a, vec b) {
  const vec half = *counter ^ a;
  const vec carry = (*counter & a) | (half & b);
  *counter = half ^ b;
  return carry;
}

/* Words of one pixel and four channels. */
typedef struct cursor {
  const vec *weights; /* stride VECTORS */
  const uint32_t *pixel;
} cursor;

EB_INLINE vec differing(const cursor *at, size_t word) {
  const uint32_t x = at->pixel[word];
  return at->weights[word * VECTORS] ^ (vec){x, x, x, x};
}

EB_INLINE void advance(cursor *at, size_t words) {
  at->weights += words * VECTORS;
  at->pixel += words;
}

/* Adds four words to the counters of weight 1 and 2; returns the carries, of weight 4. */
EB_INLINE vec add_four(const cursor *at, size_t word, vec *ones, vec *twos) {
  const vec a = add_carry(ones, differing(at, word), differing(at, word + 1));
  const vec b = add_carry(ones, differing(at, word + 2), differing(at, word + 3));
  return add_carry(twos, a, b);
}

EB_INLINE vec count_words(cursor at, size_t words) {
  enum { MOST_EIGHTS = 31 }; /* each adds up to 8 to a byte */
  vec total = {0}, rest = {0};
  if (words >= 4) {
    vec ones = {0}, twos = {0}, fours = {0};
    while (words >= 8) {
      size_t eights = words / 8 < MOST_EIGHTS ? words / 8 : MOST_EIGHTS;
      words -= 8 * eights;
      vec bytes = {0};
      for (; eights > 0; eights--, advance(&at, 8)) {
        const vec a = add_four(&at, 0, &ones, &twos);
        const vec b = add_four(&at, 4, &ones, &twos);
        bytes += count_bytes(add_carry(&fours, a, b));
      }
      total += sum_bytes(bytes) << 3;
    }
    if (words >= 4) {
      rest = count_bytes(add_four(&at, 0, &ones, &twos)) << 2;
      words -= 4;
      advance(&at, 4);
    }
    rest += (count_bytes(fours) << 2) + (count_bytes(twos) << 1) + count_bytes(ones);
  }
  for (; words > 0; words--, advance(&at, 1)) rest += count_bytes(differing(&at, 0));
  return (total + sum_bytes(rest)) << 1;
}

void eb_bconv2d_portable_pack(const uint32_t *filter, size_t filter_words, size_t words, int32_t channels,
                              void *packed) {
  eb_pack_lanes(filter, filter_words, words, channels, CHANNEL_TILE, packed);
}

void eb_bconv2d_portable(const eb_bconv2d_block *b) {
  eb_require_bconv2d_block(b, CHANNEL_TILE, 1);
  for (int32_t p = 0; p < b->pixel_count; p++) {
    union {
      vec vectors[VECTORS];
      int32_t lanes[CHANNEL_TILE];
    } x;
    for (int v = 0; v < VECTORS; v++) {
      const cursor at = {(const vec *)b->weights + v, b->pixels + (size_t)p * b->pixel_stride};
      x.vectors[v] = count_words(at, b->words);
    }
    eb_write_output(b, p, 1, x.lanes, CHANNEL_TILE);
  }
}
