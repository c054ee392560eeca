/* W1A8 convolution by products in registers of 256 bits: a table is four inputs as u = x + 128, and weights are expanded to
 * bytes of +1 and -1. One register holds the weights of eight channels for a table. 16 channels by six pixels, or eight by
 * 12, take 12 registers of sums, which leaves room for two of weights, one of inputs and one of products.
 *
 * What includes this defines before how products are summed, and for how many tables a register of sums holds them:
 *   MOST_TABLES: 0 for any number, the sums being of 32 bits, a channel each;
 *   EB_INLINE __m256i add_products(__m256i sums, __m256i inputs, __m256i weights): of four neighbours each;
 *   EB_INLINE __m256i channels_of(__m256i sums): of the eight channels, in 32 bits.
 */
#ifndef EDGEBNN_W1A8_YMM_H
#define EDGEBNN_W1A8_YMM_H

#include "w1a8_avx2_output.h"

enum {
  LANES = 8, /* channels of a register of weights */
  VECTORS = 2,
  CHANNELS = LANES * VECTORS,
  TABLE_BYTES = 4,
  LANE_TABLES = 2,
  PIXELS = 12, /* at most, of eight channels */
  PIXELS_OF_16 = 6,
  POINTERS = PIXELS / 3,
  ROW = 48 /* pixels whose sums are kept before they become outputs */
};

EB_INLINE __m256i table_at(const char *const *pointers, int pixel, size_t stride, size_t table) {
  int32_t four;
  memcpy(&four, pointers[pixel / 3] + (size_t)(pixel % 3) * stride + table * TABLE_BYTES, sizeof(four));
  return _mm256_set1_epi32(four);
}

/* Sums of `pixels` pixels from `first` on: [pixels][LANES * vectors]. */
EB_INLINE void sum_pixels(const eb_w1a8_block *b, const char *const *segments, int32_t first, const int pixels,
                          const int vectors, int32_t *sums) {
  __m256i x[PIXELS][VECTORS];
  const __m256i *w = b->weights;
  const size_t stride = b->pixel_stride;
  size_t room = MOST_TABLES;
  int kept = 0; /* whether `sums` holds what came before */
#pragma GCC unroll 12
  for (int p = 0; p < pixels; p++) x[p][0] = x[p][1] = _mm256_setzero_si256();
  for (size_t s = 0; s < b->segment_count; s++) {
    const char *pointers[POINTERS];
#pragma GCC unroll 4
    for (int i = 0; i < POINTERS; i++) {
      pointers[i] = segments[s] + (size_t)(first + 3 * i) * stride;
      if (3 * i < pixels) __asm__("" : "+r"(pointers[i])); /* lest the compiler derive a register for each pixel */
    }
    for (size_t left = b->segment_tables; left > 0;) {
      const size_t tables = MOST_TABLES == 0 || left < room ? left : room;
      for (size_t t = tables; t > 0; t--, w += VECTORS) {
        const __m256i w0 = _mm256_load_si256(w), w1 = vectors > 1 ? _mm256_load_si256(w + 1) : w0;
#pragma GCC unroll 12
        for (int p = 0; p < pixels; p++) {
          const __m256i u = table_at(pointers, p, stride, 0);
          x[p][0] = add_products(x[p][0], u, w0);
          if (vectors > 1) x[p][1] = add_products(x[p][1], u, w1);
        }
#pragma GCC unroll 4
        for (int i = 0; i < POINTERS; i++) pointers[i] += TABLE_BYTES;
      }
      left -= tables;
      room -= tables;
      if (MOST_TABLES == 0 || room > 0) continue;
#pragma GCC unroll 12
      for (int p = 0; p < pixels; p++) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
          __m256i *to = (__m256i *)(void *)sums + p * vectors + v;
          const __m256i now = channels_of(x[p][v]);
          _mm256_store_si256(to, kept ? _mm256_add_epi32(_mm256_load_si256(to), now) : now);
          x[p][v] = _mm256_setzero_si256();
        }
      }
      kept = 1;
      room = MOST_TABLES;
    }
    w += b->segment_tables % LANE_TABLES * VECTORS;
  }
#pragma GCC unroll 12
  for (int p = 0; p < pixels; p++) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      __m256i *to = (__m256i *)(void *)sums + p * vectors + v;
      const __m256i now = channels_of(x[p][v]);
      _mm256_store_si256(to, kept ? _mm256_add_epi32(_mm256_load_si256(to), now) : now);
    }
  }
}

#define EACH_TO_6(of, v) of(1, v) of(2, v) of(3, v) of(4, v) of(5, v) of(6, v)
#define EACH_TO_12(of, v) EACH_TO_6(of, v) of(7, v) of(8, v) of(9, v) of(10, v) of(11, v) of(12, v)
#define SUM(pixels, vectors)                                                                               \
  static void sum_##pixels##_##vectors(const eb_w1a8_block *b, const char *const *segments, int32_t first, \
                                       int32_t *sums) {                                                    \
    sum_pixels(b, segments, first, pixels, vectors, sums);                                                 \
  }
#define NAME(pixels, vectors) sum_##pixels##_##vectors,
EACH_TO_12(SUM, 1) EACH_TO_6(SUM, 2)

typedef void (*sum_fn)(const eb_w1a8_block *, const char *const *, int32_t, int32_t *);
static const sum_fn sum_8[PIXELS] = {EACH_TO_12(NAME, 1)};
static const sum_fn sum_16[PIXELS_OF_16] = {EACH_TO_6(NAME, 2)};

/* 32 outputs by floats, of 16 channels of two pixels or of eight channels of four. Whether none is in doubt. */
EB_INLINE int round_32(const eb_w1a8_transform *t, const int32_t *sums, const int vectors, __m256i *outputs) {
  __m256i y[4];
  __m256 beyond = _mm256_set1_ps(1.0f);
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    const __m256i x = _mm256_load_si256((const __m256i *)(const void *)sums + i);
    y[i] = eb_w1a8_avx2_floats(t, i % vectors * LANES, x, &beyond);
  }
  const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(y[0], y[1]), _mm256_packs_epi32(y[2], y[3]));
  const __m256i ordered = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  const __m256i above = _mm256_max_epi8(ordered, _mm256_set1_epi8((char)t->min));
  *outputs = _mm256_min_epi8(above, _mm256_set1_epi8((char)t->max));
  return !eb_w1a8_avx2_in_doubt(t, beyond);
}

static void write_exact(const eb_w1a8_block *b, int32_t first, int32_t count, const int vectors, const int32_t *sums) {
  for (int32_t p = first; p < first + count; p++, sums += LANES * vectors) {
    eb_w1a8_avx2_write(&b->transform, 0, b->channels, sums, b->output + (size_t)p * b->output_stride);
  }
}

/* The sums are readable for whole times four pixels. Outputs are neighbours where no other group's are between them. */
EB_INLINE void write_floats(const eb_w1a8_block *b, int32_t first, int32_t count, const int vectors, const int32_t *sums) {
  const eb_w1a8_transform t = b->transform;
  const int32_t together = 4 / vectors, channels = LANES * vectors;
  const size_t stride = b->output_stride;
  int8_t *output = b->output + (size_t)first * stride;
  for (int32_t p = 0; p < count; p += together, sums += 4 * LANES, output += (size_t)together * stride) {
    const int32_t pixels = eb_at_most(count - p, together);
    __m256i y;
    if (!round_32(&t, sums, vectors, &y)) {
      write_exact(b, first + p, pixels, vectors, sums);
    } else if (stride == (size_t)channels && b->channels == channels && pixels == together) {
      _mm256_storeu_si256((__m256i *)(void *)output, y);
    } else {
      _Alignas(32) int8_t each[4 * LANES];
      _mm256_store_si256((__m256i *)(void *)each, y);
      for (int32_t i = 0; i < pixels; i++) {
        if (b->channels == channels) {
          memcpy(output + (size_t)i * stride, each + i * channels, (size_t)(LANES * vectors));
        } else {
          memcpy(output + (size_t)i * stride, each + i * channels, (size_t)b->channels);
        }
      }
    }
  }
}

static void write(const eb_w1a8_block *b, int32_t first, int32_t count, const int vectors, const int32_t *sums) {
  if (!(b->transform.guard > 0.0f)) {
    write_exact(b, first, count, vectors, sums);
  } else if (vectors > 1) {
    write_floats(b, first, count, 2, sums);
  } else {
    write_floats(b, first, count, 1, sums);
  }
  eb_w1a8_finish(b, first, count);
}

/* The kernel: rows are cut into parts as even as can be. */
EB_INLINE void run_block(const eb_w1a8_block *b) {
  eb_require_w1a8_block(b, CHANNELS, TABLE_BYTES);
  const int vectors = b->channels > LANES ? 2 : 1;
  const int32_t parts = eb_ceil_div(b->pixel_count, vectors > 1 ? PIXELS_OF_16 : PIXELS);
  const int32_t least = b->pixel_count / parts, more = b->pixel_count % parts;
  const sum_fn *sum = vectors > 1 ? sum_16 : sum_8;
  _Alignas(EB_ALIGNMENT) int32_t sums[ROW * CHANNELS];
  int32_t written = 0, summed = 0;
  for (int32_t row = 0; row < b->row_count; row++) {
    const char *const *segments = b->segments + (size_t)row * b->segment_count;
    for (int32_t part = 0, first = 0; part < parts; part++) {
      const int32_t pixels = least + (part < more);
      if (summed + pixels > ROW) {
        write(b, written, summed, vectors, sums);
        written += summed;
        summed = 0;
      }
      sum[pixels - 1](b, segments, first, sums + summed * LANES * vectors);
      first += pixels;
      summed += pixels;
    }
  }
  write(b, written, summed, vectors, sums);
}

#endif
