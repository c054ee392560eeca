/* W1A8 convolution on AArch64: four pixels at a time look 16 channels up in 16 inputs each,
 * 19 vector operations a pixel
 * (eight look-ups, six additions of bytes, four widening ones, and the fourth part of what makes the indices): at most
 * 26.9 MACs a cycle on two vector pipes where a look-up is one operation; on a Cortex-A72 it is three.
 *
 * The inner loop is in assembly for the same reason as that of bconv2d_neon64.c: in this order an in-order Cortex-A53
 * keeps pace. A pixel's tables are in two sets of four registers, loaded while the pixel before is looked up; its sums
 * are finished while the next two are. tools/bench/arm_mca.py tells its cycles.
 */
#include "../core/w1a8_block.h"

#if defined(__ARM_NEON) && defined(__aarch64__)
#pragma GCC diagnostic ignored "-Woverlength-strings" /* C99 compilers need not take so long an assembly text */

#include "w1a8_neon.h"

/* v0 to v3: indices; v4: 15; v5: 16; v6, v7: byte sums of low and of high nibbles; v16 to v31: four sets of tables.
 * Other registers: 16-bit sums, and the two addresses of each pixel's 128 bytes of tables. */
#define LOAD(a, b, c, d, from) "ld1 {v" #a ".16b, v" #b ".16b, v" #c ".16b, v" #d ".16b}, [%[" #from "]]\n\t"
#define FIND(table, index) "tbl v" #table ".16b, {v" #table ".16b}, v" #index ".16b\n\t"
#define SUM(to, a, b) "add v" #to ".16b, v" #a ".16b, v" #b ".16b\n\t"
#define ADD_LOW(pixel)                                                  \
  "uaddw %[s" #pixel "0].8h, %[s" #pixel "0].8h, v6.8b\n\t"             \
  "uaddw2 %[s" #pixel "1].8h, %[s" #pixel "1].8h, v6.16b\n\t"
#define ADD_HIGH(pixel)                                                 \
  "umlal %[s" #pixel "0].8h, v7.8b, v5.8b\n\t"                          \
  "umlal2 %[s" #pixel "1].8h, v7.16b, v5.16b\n\t"
#define LOAD_INDICES "ldr q0, [%[lanes]]\n\tldr q2, [%[lanes], #32]\n\t"
#define INDICES(low, high) "ushr v" #high ".16b, v" #low ".16b, #4\n\tand v" #low ".16b, v" #low ".16b, v4.16b\n\t"

/* Looks up in a pixel's tables, a to h; p, q, r, s: sums of the pixel before, then the next one's tables. */
#define BEGIN_PIXEL(a, b, c, d, e, f, g, h, p, q, r, s, two_before) \
  FIND(a, 0) FIND(c, 1) FIND(b, 0) FIND(d, 1)                       \
  ADD_HIGH(two_before)                                              \
  SUM(6, p, r) SUM(7, q, s)                                         \
  FIND(e, 2)
#define END_PIXEL(a, b, c, d, e, f, g, h, before, load_first, load_second) \
  load_first                                                              \
  FIND(g, 3) FIND(f, 2) FIND(h, 3)                                        \
  SUM(a, a, c)                                                            \
  load_second                                                             \
  SUM(b, b, d)                                                            \
  ADD_LOW(before)                                                         \
  SUM(e, e, g) SUM(f, f, h)

/* Pixels 0 and 2, and pixels 1 and 3, in the same registers. */
#define EVEN_PIXEL(before, two_before, next)                                       \
  BEGIN_PIXEL(16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 28, 29, two_before)          \
  END_PIXEL(16, 17, 18, 19, 20, 21, 22, 23, before, LOAD(24, 25, 26, 27, at##next), \
            LOAD(28, 29, 30, 31, and##next))
#define PIXEL_1                                                           \
  BEGIN_PIXEL(24, 25, 26, 27, 28, 29, 30, 31, 16, 17, 20, 21, 3)          \
  END_PIXEL(24, 25, 26, 27, 28, 29, 30, 31, 0, LOAD(16, 17, 18, 19, at2), LOAD(20, 21, 22, 23, and2))

/* To the next 16 inputs. What is no vector operation stands together: in an in-order processor each may have to wait
 * for the vector operations before it. */
#define ADVANCE                             \
  "add %[at0], %[at0], #128\n\t"            \
  "add %[and0], %[and0], #128\n\t"          \
  "add %[at1], %[at1], #128\n\t"            \
  "add %[and1], %[and1], #128\n\t"          \
  "add %[at2], %[at2], #128\n\t"            \
  "add %[and2], %[and2], #128\n\t"          \
  "add %[at3], %[at3], #128\n\t"            \
  "add %[and3], %[and3], #128\n\t"          \
  "add %[lanes], %[lanes], #64\n\t"         \
  "subs %[fours], %[fours], #1\n\t"

#define SUMS(pixel) [s##pixel##0] "=&w"(sums[pixel][0]), [s##pixel##1] "=&w"(sums[pixel][1])
#define ZERO(pixel) "movi %[s" #pixel "0].16b, #0\n\tmovi %[s" #pixel "1].16b, #0\n\t"
#define ADDRESSES(pixel) [at##pixel] "+r"(at##pixel), [and##pixel] "+r"(and##pixel)

EB_INLINE void sum_four(const uint8_t *lanes, const uint8_t *table, size_t stride, size_t fours,
                        uint16x8_t (*sums)[2]) {
  const uint8_t *at0 = table, *at1 = at0 + stride, *at2 = at1 + stride, *at3 = at2 + stride;
  const uint8_t *and0 = at0 + 64, *and1 = at1 + 64, *and2 = at2 + 64, *and3 = at3 + 64;
  __asm__(LOAD_INDICES
          LOAD(16, 17, 18, 19, at0)
          LOAD(20, 21, 22, 23, and0)
          "movi v4.16b, #15\n\t"
          "movi v5.16b, #16\n\t"
          "movi v7.16b, #0\n\t" /* what is added before there is anything */
          "movi v24.16b, #0\n\t"
          "movi v25.16b, #0\n\t"
          "movi v28.16b, #0\n\t"
          "movi v29.16b, #0\n\t"
          ZERO(0) ZERO(1) ZERO(2) ZERO(3)
          INDICES(0, 1) INDICES(2, 3)
          "b 2f\n\t"
          "1:\n\t"
          LOAD_INDICES
          LOAD(16, 17, 18, 19, at0)
          SUM(24, 24, 26) SUM(25, 25, 27)
          ADD_LOW(2)
          LOAD(20, 21, 22, 23, and0)
          INDICES(0, 1) INDICES(2, 3)
          SUM(28, 28, 30) SUM(29, 29, 31)
          "2:\n\t"
          EVEN_PIXEL(3, 2, 1)
          PIXEL_1
          EVEN_PIXEL(1, 0, 3)
          BEGIN_PIXEL(24, 25, 26, 27, 28, 29, 30, 31, 16, 17, 20, 21, 1)
          FIND(30, 3) FIND(29, 2) FIND(31, 3)
          ADVANCE
          "b.ne 1b\n\t"
          SUM(24, 24, 26) SUM(25, 25, 27)
          ADD_LOW(2)
          SUM(28, 28, 30) SUM(29, 29, 31)
          ADD_HIGH(2)
          SUM(6, 24, 28) SUM(7, 25, 29)
          ADD_LOW(3)
          ADD_HIGH(3)
          : SUMS(0), SUMS(1), SUMS(2), SUMS(3), ADDRESSES(0), ADDRESSES(1), ADDRESSES(2), ADDRESSES(3),
            [lanes] "+r"(lanes), [fours] "+r"(fours)
          :
          : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23",
            "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31", "cc", "memory");
}

void eb_w1a8_neon64_stage(const eb_w1a8_pixels *pixels) { eb_w1a8_stage_each(pixels, eb_w1a8_neon_stage); }

static void run_row(const eb_w1a8_block *b) {
  int32_t first = 0;
  for (; first + EB_W1A8_NEON_PIXELS <= b->pixel_count; first += EB_W1A8_NEON_PIXELS) {
    for (int32_t c = 0; c < b->channels; c += EB_W1A8_NEON_LANES) {
      eb_w1a8_neon_compute(b, c, first, EB_W1A8_NEON_PIXELS, sum_four);
    }
  }
  eb_w1a8_neon_run_ones(b, first);
}

void eb_w1a8_neon64(const eb_w1a8_block *b) {
  eb_require_w1a8_block(b, EB_W1A8_NEON_TILE, EB_W1A8_NEON_TABLE);
  eb_w1a8_each_row(b, run_row);
}

void eb_w1a8_neon64_depthwise(const eb_w1a8_depthwise *d) { eb_depthwise_run(d, eb_w1a8_neon_write_channels); }
#endif
