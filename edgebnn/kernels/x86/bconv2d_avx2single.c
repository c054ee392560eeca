/* Binary convolution of single pixels with AVX2, as dense layers are at batch 1: they wait for weights, of which there is a bit
 * each, and which are read once. 32 bytes hold a byte of 32 channels. Bits that differ are counted by looking up each half of
 * such a byte; sums are bytes and are widened before they overflow.
 *
 * bconv2d_avx2.c has half as many operations for each bit, for twice as many bytes: it is for weights that stay in the caches. */
#include "../core/bconv2d_block.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "../core/output_transform.h"

enum {
  CHANNELS = 32,
  CHUNK_WORDS = 7,     /* each adds at most 32 to a byte */
  LONGEST_WORDS = 2044 /* each adds at most 32 to 16 bits; whole chunks */
};

/* [words][4 bytes][channels] */
void eb_bconv2d_avx2single_pack(const uint32_t *filter, size_t filter_words, size_t words, int32_t channels, void *packed) {
  uint8_t *to = packed;
  memset(to, 0, words * 4 * CHANNELS);
  for (int32_t channel = 0; channel < channels; channel++) {
    for (size_t word = 0; word < filter_words; word++) {
      const uint32_t weights = filter[(size_t)channel * filter_words + word];
      for (size_t byte = 0; byte < 4; byte++) to[(word * 4 + byte) * CHANNELS + (size_t)channel] = (uint8_t)(weights >> 8 * byte);
    }
  }
}

/* Of each byte, how many bits are set. */
EB_INLINE __m256i bits_of(__m256i bytes) {
  const __m256i counts = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
  const __m256i half = _mm256_set1_epi8(15);
  const __m256i low = _mm256_shuffle_epi8(counts, _mm256_and_si256(bytes, half));
  const __m256i high = _mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), half));
  return _mm256_add_epi8(low, high);
}

/* Byte sums of at most CHUNK_WORDS words. */
EB_INLINE __m256i count_chunk(const uint8_t *weights, const uint8_t *pixel, size_t words) {
  __m256i sums = _mm256_setzero_si256();
  for (size_t i = 0; i < 4 * words; i++) {
    const __m256i weight = _mm256_load_si256((const __m256i *)(const void *)(weights + i * CHANNELS));
    sums = _mm256_add_epi8(sums, bits_of(_mm256_xor_si256(weight, _mm256_set1_epi8((char)pixel[i]))));
  }
  return sums;
}

/* x += 2 * eight 16-bit sums. */
EB_INLINE void add_doubled(__m128i sums, int32_t *x) {
  __m256i *to = (__m256i *)(void *)x;
  _mm256_store_si256(to, _mm256_add_epi32(_mm256_load_si256(to), _mm256_slli_epi32(_mm256_cvtepu16_epi32(sums), 1)));
}

/* x: [CHANNELS] */
static void count(const eb_bconv2d_block *b, const uint32_t *words_of_pixel, int32_t *x) {
  const uint8_t *weights = b->weights, *pixel = (const uint8_t *)words_of_pixel;
  const __m256i low_bytes = _mm256_set1_epi16(0xff);
  memset(x, 0, CHANNELS * sizeof *x);
  for (size_t left = b->words; left > 0;) {
    size_t some = left < LONGEST_WORDS ? left : LONGEST_WORDS;
    left -= some;
    __m256i even = _mm256_setzero_si256(), odd = even; /* channels */
    while (some > 0) {
      const size_t words = some < CHUNK_WORDS ? some : CHUNK_WORDS;
      const __m256i sums = words == CHUNK_WORDS ? count_chunk(weights, pixel, CHUNK_WORDS) : count_chunk(weights, pixel, words);
      even = _mm256_add_epi16(even, _mm256_and_si256(sums, low_bytes));
      odd = _mm256_add_epi16(odd, _mm256_srli_epi16(sums, 8));
      weights += words * 4 * CHANNELS;
      pixel += words * 4;
      some -= words;
    }
    const __m256i first = _mm256_unpacklo_epi16(even, odd), second = _mm256_unpackhi_epi16(even, odd);
    add_doubled(_mm256_castsi256_si128(first), x);
    add_doubled(_mm256_castsi256_si128(second), x + 8);
    add_doubled(_mm256_extracti128_si256(first, 1), x + 16);
    add_doubled(_mm256_extracti128_si256(second, 1), x + 24);
  }
}

void eb_bconv2d_avx2single(const eb_bconv2d_block *b) {
  eb_require_bconv2d_block(b, CHANNELS, 1);
  _Alignas(EB_ALIGNMENT) int32_t x[CHANNELS];
  for (int32_t p = 0; p < b->pixel_count; p++) {
    count(b, b->pixels + (size_t)p * b->pixel_stride, x);
    eb_write_output(b, p, 1, x, CHANNELS);
  }
}
#endif
