/* Binary convolution on AArch64: 16 channels by 4 pixels at a time, three vector operations (XOR, count the bits of each
 * byte, add pairs of bytes to 16-bit sums) for each 128-bit word: at most 85.3 binary MACs a cycle on two vector pipes.
 *
 * The inner loop is in assembly because an in-order Cortex-A53 keeps pace only if instructions stand in this very order
 * (each six cycles or more before the one that needs it, loads past the last use of their registers and where their
 * latency is covered by counting, no address written back), which compilers do not keep. Out-of-order processors do not
 * mind. tools/bench/arm_mca.py tells its cycles.
 */
#include "../core/output_transform.h"

#if defined(__ARM_NEON) && defined(__aarch64__)
#pragma GCC diagnostic ignored "-Woverlength-strings" /* C99 compilers need not take so long an assembly text */

#include "bconv2d_neon.h"

enum { VECTORS = 4 };

/* v16 to v19: a word of 16 channels' weights; v20 to v23: a word of each pixel; v24 to v31: what is being counted. */
#define LOAD_WEIGHTS(from) "ld1 {v16.4s, v17.4s, v18.4s, v19.4s}, [%[" #from "]]\n\t"
#define LOAD_PIXELS(from) "ld1 {v20.4s, v21.4s, v22.4s, v23.4s}, [%[" #from "]]\n\t"

#define DIFFER(pixel, a, b, c, d)                     \
  "eor v" #a ".16b, v16.16b, v" #pixel ".16b\n\t"     \
  "eor v" #b ".16b, v17.16b, v" #pixel ".16b\n\t"     \
  "eor v" #c ".16b, v18.16b, v" #pixel ".16b\n\t"     \
  "eor v" #d ".16b, v19.16b, v" #pixel ".16b\n\t"

#define COUNT(a, b, c, d)                \
  "cnt v" #a ".16b, v" #a ".16b\n\t"     \
  "cnt v" #b ".16b, v" #b ".16b\n\t"     \
  "cnt v" #c ".16b, v" #c ".16b\n\t"     \
  "cnt v" #d ".16b, v" #d ".16b\n\t"

#define ADD(add, pixel, a, b, c, d)                     \
  add " %[s" #pixel "0].8h, v" #a ".16b\n\t"            \
  add " %[s" #pixel "1].8h, v" #b ".16b\n\t"            \
  add " %[s" #pixel "2].8h, v" #c ".16b\n\t"            \
  add " %[s" #pixel "3].8h, v" #d ".16b\n\t"

/* Counts the loaded word and loads the next. */
#define STEP(add, load_weights, load_pixels)            \
  DIFFER(20, 24, 25, 26, 27) DIFFER(21, 28, 29, 30, 31) \
  COUNT(24, 25, 26, 27) COUNT(28, 29, 30, 31)           \
  ADD(add, 0, 24, 25, 26, 27) ADD(add, 1, 28, 29, 30, 31) \
  DIFFER(22, 24, 25, 26, 27) DIFFER(23, 28, 29, 30, 31) \
  load_weights                                          \
  COUNT(24, 25, 26, 27) COUNT(28, 29, 30, 31)           \
  load_pixels                                           \
  ADD(add, 2, 24, 25, 26, 27) ADD(add, 3, 28, 29, 30, 31)

/* Two words lie between one step's word and that of the next step but one; each of the two has its own address. */
#define ADVANCE(bytes)                                      \
  "add %[weights], %[weights], #" #bytes "\n\t"             \
  "add %[pixels], %[pixels], #" #bytes "\n\t"               \
  "add %[next_weights], %[next_weights], #" #bytes "\n\t"   \
  "add %[next_pixels], %[next_pixels], #" #bytes "\n\t"     \
  "cmp %[weights], %[end]\n\t"

#define SUMS(pixel)                                                                                \
  [s##pixel##0] "=&w"(sums[4 * pixel]), [s##pixel##1] "=&w"(sums[4 * pixel + 1]),                  \
      [s##pixel##2] "=&w"(sums[4 * pixel + 2]), [s##pixel##3] "=&w"(sums[4 * pixel + 3])

EB_INLINE void count(const uint32_t *weights, const uint32_t *pixels, size_t words, uint16x8_t *sums) {
  const uint32_t *end = weights + words * VECTORS * EB_NEON_LANES;
  const uint32_t *next_weights, *next_pixels; /* of every other word */
  __asm__(LOAD_WEIGHTS(weights)
          LOAD_PIXELS(pixels)
          "sub %[next_weights], %[weights], #64\n\t"
          "sub %[next_pixels], %[pixels], #64\n\t"
          ADVANCE(64)
          STEP("uaddlp", LOAD_WEIGHTS(weights), LOAD_PIXELS(pixels))
          "tbnz %[words], #0, 2f\n\t" /* an odd number of them: start with the second half of the loop */
          ADVANCE(64)
          "b.eq 3f\n\t"
          "1:\n\t"
          STEP("uadalp", LOAD_WEIGHTS(weights), LOAD_PIXELS(pixels))
          "2:\n\t"
          ADVANCE(128)
          STEP("uadalp", LOAD_WEIGHTS(next_weights), LOAD_PIXELS(next_pixels))
          "b.ne 1b\n\t"
          "3:\n\t"
          STEP("uadalp", "", "")
          : SUMS(0), SUMS(1), SUMS(2), SUMS(3), [weights] "+r"(weights), [pixels] "+r"(pixels),
            [next_weights] "=&r"(next_weights), [next_pixels] "=&r"(next_pixels)
          : [end] "r"(end), [words] "r"(words)
          : "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30",
            "v31", "cc", "memory");
}

void eb_bconv2d_neon64_pack(const uint32_t *filter, size_t filter_words, size_t words, int32_t channels,
                            void *packed) {
  eb_neon_pack(filter, filter_words, words, channels, VECTORS, packed);
}

void eb_bconv2d_neon64(const eb_bconv2d_block *b) { eb_neon_run(b, VECTORS, count); }
#endif
