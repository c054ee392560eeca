/* The most binary multiply-accumulates that a core can do: register-blocked XOR and popcount, the operands in the
 * first-level cache, no output. The best loop known for each class of machine; what a whole layer reaches is given as a
 * share of it. For first layers the same of int8 and float32: dot products of bytes, and fused multiply-additions.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { WORDS = 128, PIXELS = 6, CHANNELS = 32, ROUNDS = 400 };

static _Alignas(64) uint32_t weights[WORDS * CHANNELS], pixels[PIXELS * WORDS];
static _Alignas(64) uint32_t sums[PIXELS * CHANNELS];

/* What was computed must be in memory, as far as the compiler knows, and inputs may have changed. */
#define COMPUTED() __asm__ volatile("" ::: "memory")

#if defined(__x86_64__)
#include <immintrin.h>

/* 64 channels by 6 pixels in registers, which are all that is touched. */
__attribute__((target("avx512f,avx512vnni"))) static double vpdpbusd(void) {
  __m512i sum[4 * PIXELS], x = _mm512_set1_epi32((int)pixels[0]), w = _mm512_load_si512(weights);
#pragma GCC unroll 24
  for (int i = 0; i < 4 * PIXELS; i++) sum[i] = _mm512_setzero_si512();
  for (size_t n = 0; n < WORDS; n++) {
#pragma GCC unroll 24
    for (int i = 0; i < 4 * PIXELS; i++) __asm__("vpdpbusd %2, %1, %0" : "+v"(sum[i]) : "v"(x), "v"(w));
  }
#pragma GCC unroll 24
  for (int i = 1; i < 4 * PIXELS; i++) sum[0] = _mm512_add_epi32(sum[0], sum[i]);
  _mm512_store_si512(sums, sum[0]);
  COMPUTED();
  return 64.0 * WORDS * 4 * PIXELS;
}

__attribute__((target("avx512f"))) static double fmadd(void) {
  __m512 sum[4 * PIXELS], x = _mm512_set1_ps(0.5f), w = _mm512_set1_ps(0.25f);
#pragma GCC unroll 24
  for (int i = 0; i < 4 * PIXELS; i++) sum[i] = _mm512_setzero_ps();
  for (size_t n = 0; n < WORDS; n++) {
#pragma GCC unroll 24
    for (int i = 0; i < 4 * PIXELS; i++) __asm__("vfmadd231ps %2, %1, %0" : "+v"(sum[i]) : "v"(x), "v"(w));
  }
#pragma GCC unroll 24
  for (int i = 1; i < 4 * PIXELS; i++) sum[0] = _mm512_add_ps(sum[0], sum[i]);
  _mm512_store_ps(sums, sum[0]);
  COMPUTED();
  return 16.0 * WORDS * 4 * PIXELS;
}

/* A word of 16 channels takes three operations: XOR, VPOPCNTD, addition. 32 channels by 6 pixels in registers. */
__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vpopcntdq"))) static double vpopcntd(void) {
  __m512i sum[PIXELS][2];
  for (int p = 0; p < PIXELS; p++) sum[p][0] = sum[p][1] = _mm512_setzero_si512();
  for (size_t i = 0; i < WORDS; i++) {
    const __m512i w0 = _mm512_load_si512(weights + i * CHANNELS);
    const __m512i w1 = _mm512_load_si512(weights + i * CHANNELS + 16);
    for (int p = 0; p < PIXELS; p++) {
      const __m512i word = _mm512_set1_epi32((int)pixels[(size_t)p * WORDS + i]);
      sum[p][0] = _mm512_add_epi32(sum[p][0], _mm512_popcnt_epi32(_mm512_xor_si512(w0, word)));
      sum[p][1] = _mm512_add_epi32(sum[p][1], _mm512_popcnt_epi32(_mm512_xor_si512(w1, word)));
    }
  }
  for (int p = 0; p < PIXELS; p++) {
    _mm512_store_si512(sums + p * CHANNELS, sum[p][0]);
    _mm512_store_si512(sums + p * CHANNELS + 16, sum[p][1]);
  }
  COMPUTED();
  return 32.0 * WORDS * CHANNELS * PIXELS;
}

/* popcount of each byte, by halves in a table. */
__attribute__((target("avx2"))) static inline __m256i count_bytes(__m256i x) {
  const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2,
                                         2, 3, 2, 3, 3, 4);
  const __m256i low = _mm256_set1_epi8(15);
  const __m256i high = _mm256_and_si256(_mm256_srli_epi16(x, 4), low);
  return _mm256_add_epi8(_mm256_shuffle_epi8(table, _mm256_and_si256(x, low)), _mm256_shuffle_epi8(table, high));
}

/* A word of 8 channels takes eight operations. 16 channels by 4 pixels; byte sums, the overflow of which is ignored. */
__attribute__((target("avx2"))) static double nibbles(void) {
  __m256i sum[4][2];
  for (int p = 0; p < 4; p++) sum[p][0] = sum[p][1] = _mm256_setzero_si256();
  for (size_t i = 0; i < WORDS; i++) {
    const __m256i w0 = _mm256_load_si256((const __m256i *)(weights + i * CHANNELS));
    const __m256i w1 = _mm256_load_si256((const __m256i *)(weights + i * CHANNELS + 8));
    for (int p = 0; p < 4; p++) {
      const __m256i word = _mm256_set1_epi32((int)pixels[(size_t)p * WORDS + i]);
      sum[p][0] = _mm256_add_epi8(sum[p][0], count_bytes(_mm256_xor_si256(w0, word)));
      sum[p][1] = _mm256_add_epi8(sum[p][1], count_bytes(_mm256_xor_si256(w1, word)));
    }
  }
  for (int p = 0; p < 4; p++) {
    _mm256_store_si256((__m256i *)(sums + p * CHANNELS), sum[p][0]);
    _mm256_store_si256((__m256i *)(sums + p * CHANNELS + 8), sum[p][1]);
  }
  COMPUTED();
  return 32.0 * WORDS * 16 * 4;
}
#endif

#if defined(__aarch64__)
#include <arm_neon.h>

/* Four words of a pixel and a channel take three operations: EOR, CNT, UADALP. 4 channels by 4 pixels. */
static double uadalp(void) {
  uint16x8_t sum[4][4];
  for (int i = 0; i < 16; i++) sum[i / 4][i % 4] = vdupq_n_u16(0);
  for (size_t i = 0; i < WORDS; i += 4) {
    uint32x4_t w[4];
    for (int c = 0; c < 4; c++) w[c] = vld1q_u32(weights + (size_t)c * WORDS + i);
    for (int p = 0; p < 4; p++) {
      const uint32x4_t x = vld1q_u32(pixels + (size_t)p * WORDS + i);
      for (int c = 0; c < 4; c++) sum[p][c] = vpadalq_u8(sum[p][c], vcntq_u8(vreinterpretq_u8_u32(veorq_u32(w[c], x))));
    }
  }
  for (int i = 0; i < 16; i++) vst1q_u32(sums + 4 * i, vpaddlq_u16(sum[i / 4][i % 4]));
  COMPUTED();
  return 32.0 * WORDS * 4 * 4;
}
#endif

/* A processor without any of these: one word after the other. */
static double words(void) {
  for (int p = 0; p < PIXELS; p++) {
    for (int c = 0; c < CHANNELS; c++) {
      uint64_t sum = 0;
      for (size_t i = 0; i < WORDS; i += 2) {
        uint64_t w, x;
        memcpy(&w, weights + (size_t)c * WORDS + i, sizeof(w));
        memcpy(&x, pixels + (size_t)p * WORDS + i, sizeof(x));
        sum += (uint64_t)__builtin_popcountll(w ^ x);
      }
      sums[p * CHANNELS + c] = (uint32_t)sum;
    }
  }
  COMPUTED();
  return 32.0 * WORDS * CHANNELS * PIXELS;
}

/* Runs the loop of this name for some microseconds; returns its multiply-accumulates, 0 if there is none. */
__attribute__((visibility("default"))) double edgebnn_peak(const char *name) {
  static const struct {
    const char *name;
    double (*loop)(void);
  } loops[] = {
#if defined(__x86_64__)
      {"vpopcntd", vpopcntd}, {"nibbles", nibbles}, {"vpdpbusd", vpdpbusd}, {"fmadd", fmadd},
#endif
#if defined(__aarch64__)
      {"uadalp", uadalp},
#endif
      {"words", words}};
  for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
    if (strcmp(loops[i].name, name) != 0) continue;
    double macs = 0;
    for (int round = 0; round < ROUNDS; round++) macs += loops[i].loop();
    return macs;
  }
  return 0;
}
