/* W1A8 convolution with AVX-512 VNNI: a table is four inputs as u = x + 128, and weights are expanded to bytes of +1 and -1.
 * One register holds the weights of 16 channels for a table, and `vpdpbusd` makes 64 multiply-accumulates with it. 16 channels by 16 pixels, or 32 by 14, take at most 28
 * registers of sums, two of weights and one of inputs. Sums are of 32 bits throughout.
 */
#include "../core/w1a8_depthwise.h"

#if defined(__x86_64__)
#include "w1a8_avx512_output.h"

enum {
  LANES = 16, /* channels of a register of weights, and of sums */
  VECTORS = 2,
  CHANNELS = LANES * VECTORS,
  TABLE_BYTES = 4,
  PIXELS = 16,      /* at most, of 16 channels */
  PIXELS_OF_32 = 14,
  ROW = 64,         /* pixels whose sums are kept before they become outputs */
  TOGETHER = 4      /* pixels whose outputs are made at a time */
};

/* Of the lowest `count` bytes. */
EB_INLINE __mmask64 bytes_below(size_t count) { return count >= 64 ? ~0ull : (1ull << count) - 1; }

/* u of the bytes `there`, and zeros up to those `written`. */
EB_INLINE void stage_bytes(const int8_t *from, __mmask64 there, __mmask64 written, char *to) {
  const __m512i flipped = _mm512_maskz_set1_epi8(there, (char)0x80);
  _mm512_mask_storeu_epi8(to, written, _mm512_xor_si512(_mm512_maskz_loadu_epi8(there, from), flipped));
}

static void stage_many(const int8_t *from, size_t count, size_t padded, char *to) {
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const __m512i x = _mm512_loadu_si512(from + i);
    _mm512_storeu_si512(to + i, _mm512_xor_si512(x, _mm512_set1_epi8((char)0x80)));
  }
  for (; i < padded; i += 64) {
    stage_bytes(from + i, i < count ? bytes_below(count - i) : 0, bytes_below(padded - i), to + i);
  }
}

void eb_w1a8_avx512vnni_stage(const eb_w1a8_pixels *p) {
  const size_t inputs = (size_t)p->inputs, padded = (size_t)eb_round_up(p->inputs, TABLE_BYTES);
  const __mmask64 there = bytes_below(inputs), written = bytes_below(padded);
  const int8_t *from = p->input;
  char *to = p->tables;
  if (inputs == padded && p->input_stride == inputs && p->table_stride == inputs) {
    stage_many(from, inputs * (size_t)p->count, inputs * (size_t)p->count, to);
    return;
  }
  for (int32_t i = 0; i < p->count; i++, from += p->input_stride, to += p->table_stride) {
    if (padded <= 64) {
      stage_bytes(from, there, written, to);
    } else {
      stage_many(from, inputs, padded, to);
    }
  }
}

/* Weights, [tables][CHANNELS][4 inputs]: two tables for each lane. */
void eb_w1a8_avx512vnni_expand(const void *lanes, size_t count, void *weights) {
  const __m512i one = _mm512_set1_epi8(1), minus_one = _mm512_set1_epi8(-1);
  const __m512i low_bits = _mm512_set1_epi32(0x08040201), high_bits = _mm512_set1_epi32((int)0x80402010);
  const __m512i four_times = _mm512_setr_epi32(0x00000000, 0x01010101, 0x02020202, 0x03030303, 0x04040404, 0x05050505,
                                               0x06060606, 0x07070707, 0x08080808, 0x09090909, 0x0A0A0A0A, 0x0B0B0B0B,
                                               0x0C0C0C0C, 0x0D0D0D0D, 0x0E0E0E0E, 0x0F0F0F0F);
  const __m128i *from = lanes;
  __m512i *to = weights;
  for (int v = 0; v < VECTORS; v++) {
    for (size_t i = 0; i < count; i++) {
      const __m512i lane = _mm512_broadcast_i32x4(_mm_load_si128(from + i * VECTORS + v));
      const __m512i signs = _mm512_shuffle_epi8(lane, four_times);
      __m512i *both = to + 2 * VECTORS * i + v;
      _mm512_store_si512(both, _mm512_mask_mov_epi8(one, _mm512_test_epi8_mask(signs, low_bits), minus_one));
      _mm512_store_si512(both + VECTORS, _mm512_mask_mov_epi8(one, _mm512_test_epi8_mask(signs, high_bits), minus_one));
    }
  }
}

/* sum += weights * inputs, of four neighbours each. In assembly, since gcc would copy sums from register to register. */
#define DOT(sum, inputs, weights) __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(inputs), "v"(weights))

/* Where the inputs of 16 pixels lie: at one of a few pointers, and from there a stride or two, four or eight of them on, which
 * is an operand of an instruction. The compiler is kept from deriving a register for each pixel, of which it has too few. */
enum { POINTERS = 5 };
static const int POINTED[POINTERS] = {0, 3, 6, 11, 1}; /* pixels */

EB_INLINE const char *inputs_of(const char *const *pointers, int pixel, size_t stride) {
  switch (pixel) {
    case 0: return pointers[0];
    case 1: return pointers[0] + stride;
    case 2: return pointers[0] + 2 * stride;
    case 3: return pointers[1];
    case 4: return pointers[0] + 4 * stride;
    case 5: return pointers[1] + 2 * stride;
    case 6: return pointers[2];
    case 7: return pointers[1] + 4 * stride;
    case 8: return pointers[0] + 8 * stride;
    case 9: return pointers[4] + 8 * stride;
    case 10: return pointers[2] + 4 * stride;
    case 11: return pointers[3];
    case 12: return pointers[3] + stride;
    case 13: return pointers[3] + 2 * stride;
    case 14: return pointers[2] + 8 * stride;
    default: return pointers[3] + 4 * stride;
  }
}

/* sums: [vectors][ROW][LANES], of the pixels from `first` on. */
EB_INLINE void sum_pixels(const eb_w1a8_block *b, const char *const *segments, int32_t first, const int pixels,
                          const int vectors, int32_t *sums) {
  __m512i x[PIXELS][VECTORS];
#pragma GCC unroll 2
  for (int v = 0; v < vectors; v++) {
#pragma GCC unroll 16
    for (int p = 0; p < pixels; p++) x[p][v] = _mm512_setzero_si512();
  }
  const __m512i *w = b->weights;
  const size_t stride = b->pixel_stride;
  for (size_t s = 0; s < b->segment_count; s++) {
    const char *pointers[POINTERS];
#pragma GCC unroll 5
    for (int i = 0; i < POINTERS; i++) {
      pointers[i] = segments[s] + (size_t)(first + POINTED[i]) * stride;
      __asm__("" : "+r"(pointers[i]));
    }
    for (size_t t = b->segment_tables; t > 0; t--, w += VECTORS) {
      const __m512i w0 = _mm512_load_si512(w), w1 = vectors > 1 ? _mm512_load_si512(w + 1) : w0;
#pragma GCC unroll 16
      for (int p = 0; p < pixels; p++) {
        int32_t four;
        memcpy(&four, inputs_of(pointers, p, stride), sizeof(four));
        const __m512i u = _mm512_set1_epi32(four);
        DOT(x[p][0], u, w0);
        if (vectors > 1) DOT(x[p][1], u, w1);
      }
#pragma GCC unroll 5
      for (int i = 0; i < POINTERS; i++) pointers[i] += TABLE_BYTES;
    }
    w += b->segment_tables % 2 * VECTORS;
  }
#pragma GCC unroll 2
  for (int v = 0; v < vectors; v++) {
#pragma GCC unroll 16
    for (int p = 0; p < pixels; p++) _mm512_store_si512(sums + (ROW * v + p) * LANES, x[p][v]);
  }
}

#define EACH_TO_14(of, v) of(1, v) of(2, v) of(3, v) of(4, v) of(5, v) of(6, v) of(7, v) of(8, v) of(9, v) of(10, v) \
    of(11, v) of(12, v) of(13, v) of(14, v)
#define SUM(pixels, vectors)                                                                  \
  static void sum_##pixels##_##vectors(const eb_w1a8_block *b, const char *const *segments, int32_t first, \
                                          int32_t *sums) {                                                     \
    sum_pixels(b, segments, first, pixels, vectors, sums);                                                     \
  }
#define NAME(pixels, vectors) sum_##pixels##_##vectors,
EACH_TO_14(SUM, 1) SUM(15, 1) SUM(16, 1) EACH_TO_14(SUM, 2)

typedef void (*sum_fn)(const eb_w1a8_block *, const char *const *, int32_t, int32_t *);
static const sum_fn sum_16[PIXELS] = {EACH_TO_14(NAME, 1) NAME(15, 1) NAME(16, 1)};
static const sum_fn sum_32[PIXELS_OF_32] = {EACH_TO_14(NAME, 2)};

static void write_exact(const eb_w1a8_block *b, int32_t c, int32_t first, int32_t count, const int32_t *sums) {
  for (int32_t p = first; p < first + count; p++, sums += LANES) {
    int8_t *output = b->output + (size_t)p * b->output_stride + c;
    eb_w1a8_avx512_write(&b->transform, c, b->channels - c, _mm512_load_si512(sums), output);
  }
}

/* Outputs of the channels from `c` on. The sums are readable for whole times TOGETHER pixels. Outputs
 * are neighbours where no other group's are between them. */
static void write_floats(const eb_w1a8_block *b, int32_t c, int32_t first, int32_t count, const int32_t *sums) {
  const eb_w1a8_transform t = b->transform;
  const int32_t from[TOGETHER] = {c, c, c, c};
  const __mmask16 there = eb_w1a8_avx512_mask(b->channels - c);
  const size_t stride = b->output_stride;
  int8_t *output = b->output + (size_t)first * stride + c;
  for (int32_t p = 0; p < count; p += TOGETHER, sums += TOGETHER * LANES, output += TOGETHER * stride) {
    const int32_t pixels = eb_at_most(count - p, TOGETHER);
    __m512i x[TOGETHER], y;
#pragma GCC unroll 4
    for (int i = 0; i < TOGETHER; i++) x[i] = _mm512_load_si512(sums + i * LANES);
    if (!eb_w1a8_avx512_round_64(&t, x, from, &y)) {
      write_exact(b, c, first + p, pixels, sums);
    } else if (stride == LANES && b->channels == LANES && pixels == TOGETHER) {
      _mm512_storeu_si512(output, y);
    } else {
      const __m128i each[TOGETHER] = {_mm512_castsi512_si128(y), _mm512_extracti32x4_epi32(y, 1),
                                      _mm512_extracti32x4_epi32(y, 2), _mm512_extracti32x4_epi32(y, 3)};
#pragma GCC unroll 4
      for (int32_t i = 0; i < TOGETHER; i++) {
        if (i < pixels) _mm_mask_storeu_epi8(output + (size_t)i * stride, there, each[i]);
      }
    }
  }
}

static void write(const eb_w1a8_block *b, int32_t first, int32_t count, const int32_t *sums) {
  for (int32_t c = 0; c < b->channels; c += LANES) {
    (b->transform.guard > 0.0f ? write_floats : write_exact)(b, c, first, count, sums + c * ROW);
  }
  eb_w1a8_finish(b, first, count);
}

/* Rows are cut into parts as even as can be. */
void eb_w1a8_avx512vnni(const eb_w1a8_block *b) {
  eb_require_w1a8_block(b, CHANNELS, TABLE_BYTES);
  const int one = b->channels <= LANES;
  const int32_t parts = eb_ceil_div(b->pixel_count, one ? PIXELS : PIXELS_OF_32);
  const int32_t least = b->pixel_count / parts, more = b->pixel_count % parts;
  const sum_fn *sum = one ? sum_16 : sum_32;
  _Alignas(EB_ALIGNMENT) int32_t sums[VECTORS * ROW * LANES];
  int32_t written = 0, summed = 0;
  for (int32_t row = 0; row < b->row_count; row++) {
    const char *const *segments = b->segments + (size_t)row * b->segment_count;
    for (int32_t part = 0, first = 0; part < parts; part++) {
      const int32_t pixels = least + (part < more);
      if (summed + pixels > ROW) {
        write(b, written, summed, sums);
        written += summed;
        summed = 0;
      }
      sum[pixels - 1](b, segments, first, sums + summed * LANES);
      first += pixels;
      summed += pixels;
    }
  }
  write(b, written, summed, sums);
}

void eb_w1a8_avx512vnni_depthwise(const eb_w1a8_depthwise *d) { eb_depthwise_run(d, eb_w1a8_avx512_write_channels); }
#endif
