/* Binary convolution with AVX-512 and its VPOPCNTDQ: for each pixel p and output channel c
 *   x = 2 * sum over words of popcount(pixel ^ weight).
 *
 * 32 output channels stand side by side in two registers, one word of each; a pixel's word is broadcast to them. Six
 * pixels at a time make twelve independent sums and use each weight read six times. Nothing is summed across a
 * register: a word of 16 channels takes an XOR, a popcount and an addition.
 */
#include "../core/bconv2d_block.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum { LANES = 16, CHANNEL_TILE = 2 * LANES, PIXEL_TILE = 6 };

#include "bconv2d_tiles.h"

void eb_bconv2d_avx512_pack(const uint32_t *filter, size_t filter_words, size_t words, int32_t channels,
                            void *packed) {
  eb_pack_lanes(filter, filter_words, words, channels, CHANNEL_TILE, packed);
}

/* x: [pixels][CHANNEL_TILE], of which the first `vectors` * LANES lanes are written. Both are constants. */
EB_INLINE void count(const eb_bconv2d_block *b, int32_t first, int pixels, int vectors, int32_t *x) {
  const uint32_t *weights = b->weights;
  const uint32_t *pixel = b->pixels + (size_t)first * b->pixel_stride;
  const size_t stride = b->pixel_stride;
  __m512i sums[PIXEL_TILE][2];
  for (int p = 0; p < pixels; p++) {
    for (int v = 0; v < vectors; v++) sums[p][v] = _mm512_setzero_si512();
  }
  for (size_t words = b->words; words > 0; words--, weights += CHANNEL_TILE, pixel++) {
    __m512i w[2];
    for (int v = 0; v < vectors; v++) w[v] = _mm512_load_si512(weights + v * LANES);
    for (int p = 0; p < pixels; p++) {
      const __m512i word = _mm512_set1_epi32((int)pixel[(size_t)p * stride]);
      for (int v = 0; v < vectors; v++) {
        sums[p][v] = _mm512_add_epi32(sums[p][v], _mm512_popcnt_epi32(_mm512_xor_si512(w[v], word)));
      }
    }
  }
  for (int p = 0; p < pixels; p++) {
    for (int v = 0; v < vectors; v++) {
      _mm512_store_si512(x + p * CHANNEL_TILE + v * LANES, _mm512_slli_epi32(sums[p][v], 1));
    }
  }
}

void eb_bconv2d_avx512(const eb_bconv2d_block *b) { eb_run_tiles(b, count); }
#endif
