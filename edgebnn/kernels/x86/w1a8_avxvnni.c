/* W1A8 convolution with AVX-VNNI (processors that have it without AVX-512): a table is four inputs as u = x + 128, and
 * weights are expanded to bytes of +1 and -1. `vpdpbusd` makes 32 multiply-accumulates, of four inputs and eight channels;
 * 16 channels by six pixels take 12 of them, whose sums leave registers for two of weights and one of inputs. Sums are of 32
 * bits throughout.
 */
#include "../core/w1a8_bytes.h"
#include "../core/w1a8_depthwise.h"

#if defined(__x86_64__)
#include "w1a8_avx2_output.h"
#include "w1a8_signs.h"

enum {
  CHANNELS = 16,
  VECTORS = CHANNELS / 8, /* of the weights of a table, and of sums */
  TABLE_BYTES = 4,
  PIXELS = 6,
  ROW = 60 /* pixels whose sums are kept before they become outputs */
};

/* sum += weights * inputs, of four neighbours each. In assembly, since gcc would copy sums from register to register; in
 * the encoding of AVX-VNNI or, where the file is compiled for AVX-512, in that one. For older compilers and their
 * assemblers, which do not know the former, three instructions of AVX2 do the same. */
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
#define DOT(sum, inputs, weights) __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(inputs), "v"(weights))
#elif defined(__clang__) ? __clang_major__ >= 12 : __GNUC__ >= 11
#define DOT(sum, inputs, weights) __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(inputs), "x"(weights))
#else
#define DOT(sum, inputs, weights) \
  ((sum) = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(inputs, weights), _mm256_set1_epi16(1))))
#endif

void eb_w1a8_avxvnni_stage(const eb_w1a8_pixels *pixels) { eb_w1a8_stage_bytes(pixels, TABLE_BYTES, 0x80); }

void eb_w1a8_avxvnni_expand(const void *lanes, size_t count, void *weights) {
  eb_w1a8_expand_16(lanes, count, weights);
}

/* sums: [pixels][CHANNELS]. */
EB_INLINE void add_tables(const int8_t *weights, const char *inputs, size_t tables, size_t stride, const int pixels,
                          int32_t *to) {
  __m256i sums[PIXELS][VECTORS];
#pragma GCC unroll 6
  for (int p = 0; p < pixels; p++) {
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; v++) sums[p][v] = _mm256_load_si256((const __m256i *)(void *)to + p * VECTORS + v);
  }
  do {
    __m256i w[VECTORS];
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; v++) w[v] = _mm256_load_si256((const __m256i *)(const void *)weights + v);
#pragma GCC unroll 6
    for (int p = 0; p < pixels; p++) {
      int32_t four;
      memcpy(&four, inputs + (size_t)p * stride, sizeof(four));
      const __m256i x = _mm256_set1_epi32(four);
#pragma GCC unroll 2
      for (int v = 0; v < VECTORS; v++) DOT(sums[p][v], x, w[v]);
    }
    weights += CHANNELS * TABLE_BYTES;
    inputs += TABLE_BYTES;
  } while (--tables > 0);
#pragma GCC unroll 6
  for (int p = 0; p < pixels; p++) {
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; v++) _mm256_store_si256((__m256i *)(void *)to + p * VECTORS + v, sums[p][v]);
  }
}

EB_INLINE void add_whole(const int8_t *weights, const char *inputs, size_t tables, size_t stride, int32_t *to) {
  add_tables(weights, inputs, tables, stride, PIXELS, to);
}

/* The last pixels, fewer than PIXELS. */
static void add_rest(const int8_t *weights, const char *inputs, size_t tables, size_t stride, int32_t pixels,
                     int32_t *to) {
  switch (pixels) {
    case 1: add_tables(weights, inputs, tables, stride, 1, to); break;
    case 2: add_tables(weights, inputs, tables, stride, 2, to); break;
    case 3: add_tables(weights, inputs, tables, stride, 3, to); break;
    case 4: add_tables(weights, inputs, tables, stride, 4, to); break;
    case 5: add_tables(weights, inputs, tables, stride, 5, to); break;
    default: break;
  }
}

EB_INLINE void write_pixel(const eb_w1a8_transform *t, int32_t first, int32_t count, const int32_t *sums, int8_t *output) {
  eb_w1a8_avx2_write(t, first, count, sums, output);
}

#include "../core/w1a8_dot.h"

void eb_w1a8_avxvnni(const eb_w1a8_block *b) { eb_w1a8_dot_run(b); }

void eb_w1a8_avxvnni_depthwise(const eb_w1a8_depthwise *d) { eb_depthwise_run(d, eb_w1a8_avx2_write); }
#endif
