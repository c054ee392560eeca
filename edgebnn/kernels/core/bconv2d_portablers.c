/* Row stationary binary convolution for any processor, to read and to compare with: every window lies in the rows of the
 * input, and none is gathered. Four output channels stand side by side in a vector of four words; bits are counted by byte,
 * in which 31 words fit.
 */
#include "bconv2d_rows.h"

enum { LANES = 4, CHANNEL_TILE = 8, MOST_WORDS = 31 };

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

/* [channels / LANES][words][LANES]. */
void eb_bconv2d_portablers_pack(const uint32_t *filter, size_t filter_words, size_t words, int32_t channels,
                                void *packed) {
  eb_pack_lanes_in_turn(filter, filter_words, words, channels, CHANNEL_TILE, LANES, packed);
}

EB_INLINE void run_four(const eb_bconv2d_block *b, int32_t channel, const eb_stretch *stretches, int32_t count) {
  const vec *const weights = (const vec *)b->weights + (size_t)(channel / LANES) * b->words;
  for (; count > 0; count--, stretches++) {
    for (eb_stretch at = *stretches; at.pixels > 0; eb_advance(&at, b, 1, CHANNEL_TILE)) {
      const vec *weight = weights;
      vec bytes = {0};
      for (int32_t r = 0; r < b->row_count; r++) {
        const uint32_t *row = at.from + (size_t)r * b->row_step;
        for (int32_t word = 0; word < b->row_words; word++) {
          const uint32_t x = row[word];
          bytes += count_bytes(*weight++ ^ (vec){x, x, x, x});
        }
      }
      const vec x = sum_bytes(bytes) << 1;
      memcpy(at.x, &x, sizeof(x));
    }
  }
}

void eb_bconv2d_portablers(const eb_bconv2d_block *b) {
  eb_require_bconv2d_rows(b, MOST_WORDS, MOST_WORDS);
  eb_run_segments(b, CHANNEL_TILE, LANES, run_four);
}
