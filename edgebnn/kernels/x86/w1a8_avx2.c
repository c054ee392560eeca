/* W1A8 convolution with AVX2: `pshufb` as a table of 16 sums, low and high nibbles of the inputs apart.
 *
 * With u = x + 128, a weight of +1 takes u and one of -1 takes 255 - u, so that all is unsigned: four nibbles make at
 * most 60, and four such sums fit in a byte. A table holds 16 sums of four low nibbles, then 16 of high ones; bit i of
 * the index is set where the weight of input i is -1. A register holds the indices of 32 channels, a byte for two tables.
 * Bytes are widened every four tables, words every 1088 (4 * 15 * 1088 = 65280).
 */
#include "../core/w1a8_depthwise.h"

#if defined(__x86_64__)
#include "w1a8_avx2_output.h"

enum { CHANNEL_TILE = 32, PIXEL_TILE = 2, TABLE_INPUTS = 4, LANE_TABLES = 2, TABLE_BYTES = 32, RUN = 1088 };

enum { AHEAD = 4096 }; /* bytes of weights, which a single pixel reads once: large layers' come from memory all the time */

static void stage(const int8_t *input, int32_t inputs, void *tables) {
  const __m256i fifteen = _mm256_set1_epi8(15);
  const __m256i shifts = _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4);
  const __m256i bit0 = _mm256_set1_epi16(0x0F00), bit1 = _mm256_set1_epi32(0x0F0F0000);
  const __m256i bit2 = _mm256_set1_epi64x(0x0F0F0F0F00000000), bit3 = _mm256_setr_epi32(0, 0, 0x0F0F0F0F, 0x0F0F0F0F, 0,
                                                                                         0, 0x0F0F0F0F, 0x0F0F0F0F);
  __m256i *table = tables;
  for (int32_t first = 0; first < inputs; first += TABLE_INPUTS, table++) {
    uint32_t four = 0;
    if (inputs - first >= TABLE_INPUTS) {
      memcpy(&four, input + first, sizeof(four));
      four ^= 0x80808080u;
    } else {
      for (int32_t i = 0; i < inputs - first; i++) four |= (uint32_t)((uint8_t)input[first + i] ^ 0x80u) << 8 * i;
    }
    const __m256i u = _mm256_and_si256(_mm256_srlv_epi32(_mm256_set1_epi32((int)four), shifts), fifteen);
    const __m256i u0 = _mm256_xor_si256(_mm256_shuffle_epi8(u, _mm256_setzero_si256()), bit0);
    const __m256i u1 = _mm256_xor_si256(_mm256_shuffle_epi8(u, _mm256_set1_epi8(1)), bit1);
    const __m256i u2 = _mm256_xor_si256(_mm256_shuffle_epi8(u, _mm256_set1_epi8(2)), bit2);
    const __m256i u3 = _mm256_xor_si256(_mm256_shuffle_epi8(u, _mm256_set1_epi8(3)), bit3);
    _mm256_store_si256(table, _mm256_add_epi8(_mm256_add_epi8(u0, u1), _mm256_add_epi8(u2, u3)));
  }
}

void eb_w1a8_avx2_stage(const eb_w1a8_pixels *pixels) { eb_w1a8_stage_each(pixels, stage); }

/* Even and odd channels of 16-bit sums: of low nibbles, and of high ones. */
typedef struct {
  __m256i low[2], high[2];
} words;

EB_INLINE __m256i find(const char *entries, __m256i index) {
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(const void *)entries)), index);
}

/* Adds what `lanes` bytes of each channel find (`tables` tables: at most four). */
EB_INLINE void look_up(const __m256i *lanes, const char *table, size_t stride, const int pixels, const int tables,
                       words *sums) {
  const __m256i nibble = _mm256_set1_epi8(15), byte = _mm256_set1_epi16(255);
  __m256i low[PIXEL_TILE], high[PIXEL_TILE];
#pragma GCC unroll 4
  for (int t = 0; t < tables; t++) {
    const __m256i lane = _mm256_load_si256(lanes + t / LANE_TABLES);
    const __m256i index = _mm256_and_si256(t % LANE_TABLES ? _mm256_srli_epi16(lane, 4) : lane, nibble);
#pragma GCC unroll 2
    for (int p = 0; p < pixels; p++) {
      const char *entries = table + (size_t)p * stride + t * TABLE_BYTES;
      const __m256i l = find(entries, index), h = find(entries + TABLE_BYTES / 2, index);
      low[p] = t == 0 ? l : _mm256_add_epi8(low[p], l);
      high[p] = t == 0 ? h : _mm256_add_epi8(high[p], h);
    }
  }
#pragma GCC unroll 2
  for (int p = 0; p < pixels; p++) {
    sums[p].low[0] = _mm256_add_epi16(sums[p].low[0], _mm256_and_si256(low[p], byte));
    sums[p].low[1] = _mm256_add_epi16(sums[p].low[1], _mm256_srli_epi16(low[p], 8));
    sums[p].high[0] = _mm256_add_epi16(sums[p].high[0], _mm256_and_si256(high[p], byte));
    sums[p].high[1] = _mm256_add_epi16(sums[p].high[1], _mm256_srli_epi16(high[p], 8));
  }
}

/* x[i] += eight channels from 8 * i on. */
EB_INLINE void widen(const words *sums, __m256i *x) {
  for (int half = 0; half < 2; half++) {
    const __m256i low = half ? _mm256_unpackhi_epi16(sums->low[0], sums->low[1])
                             : _mm256_unpacklo_epi16(sums->low[0], sums->low[1]);
    const __m256i high = half ? _mm256_unpackhi_epi16(sums->high[0], sums->high[1])
                              : _mm256_unpacklo_epi16(sums->high[0], sums->high[1]);
    for (int lane = 0; lane < 2; lane++) {
      const __m256i l = _mm256_cvtepu16_epi32(lane ? _mm256_extracti128_si256(low, 1) : _mm256_castsi256_si128(low));
      const __m256i h = _mm256_cvtepu16_epi32(lane ? _mm256_extracti128_si256(high, 1) : _mm256_castsi256_si128(high));
      const int at = 2 * lane + half;
      x[at] = _mm256_add_epi32(x[at], _mm256_add_epi32(l, _mm256_slli_epi32(h, 4)));
    }
  }
}

EB_INLINE void sum_run(const __m256i *lanes, size_t tables, const char *table, size_t stride, const int pixels,
                       __m256i (*x)[4]) {
  words sums[PIXEL_TILE];
#pragma GCC unroll 2
  for (int p = 0; p < pixels; p++) {
    sums[p].low[0] = sums[p].low[1] = sums[p].high[0] = sums[p].high[1] = _mm256_setzero_si256();
  }
  for (; tables >= 4; tables -= 4, lanes += 2, table += 4 * TABLE_BYTES) {
    if (pixels == 1) _mm_prefetch((const char *)lanes + AHEAD, _MM_HINT_T0);
    look_up(lanes, table, stride, pixels, 4, sums);
  }
  if (tables == 1) look_up(lanes, table, stride, pixels, 1, sums);
  if (tables == 2) look_up(lanes, table, stride, pixels, 2, sums);
  if (tables == 3) look_up(lanes, table, stride, pixels, 3, sums);
  for (int p = 0; p < pixels; p++) widen(&sums[p], x[p]);
}

EB_INLINE void compute(const eb_w1a8_block *b, int32_t first, const int pixels) {
  __m256i x[PIXEL_TILE][4];
  for (int p = 0; p < pixels; p++) {
    for (int i = 0; i < 4; i++) x[p][i] = _mm256_setzero_si256();
  }
  const __m256i *lanes = b->weights;
  for (size_t s = 0; s < b->segment_count; s++) {
    const char *table = b->segments[s] + (size_t)first * b->pixel_stride;
    for (size_t tables = b->segment_tables; tables > 0;) {
      const size_t most = tables < RUN ? tables : RUN;
      sum_run(lanes, most, table, b->pixel_stride, pixels, x);
      lanes += (most + LANE_TABLES - 1) / LANE_TABLES;
      table += most * TABLE_BYTES;
      tables -= most;
    }
  }
  for (int p = 0; p < pixels; p++) {
    int8_t *output = b->output + (size_t)(first + p) * b->output_stride;
    _Alignas(EB_ALIGNMENT) int32_t sums[CHANNEL_TILE];
    for (int i = 0; i < 4; i++) _mm256_store_si256((__m256i *)(void *)sums + i, x[p][i]);
    eb_w1a8_avx2_write(&b->transform, 0, b->channels, sums, output);
  }
}

static void run_row(const eb_w1a8_block *b) {
  const int32_t whole = b->pixel_count / PIXEL_TILE * PIXEL_TILE;
  for (int32_t p = 0; p < whole; p += PIXEL_TILE) compute(b, p, PIXEL_TILE);
  if (whole < b->pixel_count) compute(b, whole, 1);
}

void eb_w1a8_avx2(const eb_w1a8_block *b) {
  eb_require_w1a8_block(b, CHANNEL_TILE, TABLE_BYTES);
  eb_w1a8_each_row(b, run_row);
}

void eb_w1a8_avx2_depthwise(const eb_w1a8_depthwise *d) { eb_depthwise_run(d, eb_w1a8_avx2_write); }
#endif
