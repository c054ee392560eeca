/* int8 convolution of few input channels on AArch64 without dot products (Cortex-A53, A72): `smull` and `smlal` make two
 * products a lane of 16 bits, which `sadalp` adds in pairs to sums of 32 bits. Six vector operations are 32 multiply-
 * accumulates, four of them multiplications: at most 5.3 a cycle with one vector pipe, and 8 where one of two multiplies. Two
 * products of a weight in [-127, 127] and an int8 fit in 16 bits.
 *
 * Inputs are repeated by loading: `ld4r` makes four registers of the four pairs of 8 inputs. The inner loop is in assembly, as
 * in this order an in-order Cortex-A53 keeps pace: pixels take turns with two sets of registers, and the products of one are
 * added while the next one's are made. tools/bench/arm_mca.py tells its cycles.
 */
#include "../core/conv2d_few_block.h"

#if defined(__ARM_NEON) && defined(__aarch64__)
#pragma GCC diagnostic ignored "-Woverlength-strings" /* C99 compilers need not take so long an assembly text */

#include "conv2d_few_neon.h"

enum { TILE = EB_FEW_NEON_LANES, STEP = 8 /* inputs */, PAIRS = STEP / 2, MOST_PIXELS = 6 };

/* v0 to v3: weights of four pairs of inputs and 8 channels; v4 to v7, v8 to v11: those inputs; v12 to v15, v16 to v19: products
 * of channels 0 to 3, of 4 to 7, each of inputs 0 to 3, then those of inputs 4 to 7; v20 to v31: two registers of sums a pixel. */
#define LOAD_WEIGHTS "ld1 {v0.16b, v1.16b, v2.16b, v3.16b}, [%[weights]]\n\t"
#define LOAD(a, b, c, d, pixel) "ld4r {v" #a ".8h, v" #b ".8h, v" #c ".8h, v" #d ".8h}, [%[at" #pixel "]]\n\t"
#define LOAD_EVEN(pixel) LOAD(4, 5, 6, 7, pixel)
#define LOAD_ODD(pixel) LOAD(8, 9, 10, 11, pixel)
#define ADD(sum, products) "sadalp v" #sum ".4s, v" #products ".8h\n\t"

/* A pixel with inputs a to d and products p to s, while the products t to w of the pixel before are added to its sums x and y. */
#define PIXEL(a, b, c, d, p, q, r, s, t, u, v, w, x, y, load_next) \
  "smull v" #p ".8h, v0.8b, v" #a ".8b\n\t"                          \
  "smull2 v" #q ".8h, v0.16b, v" #a ".16b\n\t"                       \
  "smull v" #r ".8h, v2.8b, v" #c ".8b\n\t"                          \
  ADD(x, t)                                                          \
  ADD(y, u)                                                          \
  "smull2 v" #s ".8h, v2.16b, v" #c ".16b\n\t"                       \
  load_next                                                          \
  "smlal v" #p ".8h, v1.8b, v" #b ".8b\n\t"                          \
  "smlal2 v" #q ".8h, v1.16b, v" #b ".16b\n\t"                       \
  "smlal v" #r ".8h, v3.8b, v" #d ".8b\n\t"                          \
  ADD(x, v)                                                          \
  ADD(y, w)                                                          \
  "smlal2 v" #s ".8h, v3.16b, v" #d ".16b\n\t"
#define EVEN(x, y, load_next) PIXEL(4, 5, 6, 7, 12, 13, 14, 15, 16, 17, 18, 19, x, y, load_next)
#define ODD(x, y, load_next) PIXEL(8, 9, 10, 11, 16, 17, 18, 19, 12, 13, 14, 15, x, y, load_next)

/* What is no vector operation stands together: in an in-order processor each may have to wait for those before it. Few operands:
 * GCC takes 30, and those that change count twice. */
#define LOOP(load_sums, pixels, advance, last_low, last_high, store_sums)                                         \
  load_sums                                                                                                       \
  LOAD_WEIGHTS LOAD_EVEN(0)                                                                                       \
  "movi v16.16b, #0\n\tmovi v17.16b, #0\n\tmovi v18.16b, #0\n\tmovi v19.16b, #0\n\t" /* before the first pixel */ \
  "add %[weights], %[weights], #64\n\t"                                                                           \
  "1:\n\t"                                                                                                        \
  pixels                                                                                                          \
  LOAD_WEIGHTS                                                                                                    \
  advance                                                                                                         \
  "add %[weights], %[weights], #64\n\t"                                                                           \
  "subs %[steps], %[steps], #1\n\t"                                                                               \
  LOAD_EVEN(0)                                                                                                    \
  "b.ne 1b\n\t"                                                                                                   \
  ADD(last_low, 16) ADD(last_high, 17) ADD(last_low, 18) ADD(last_high, 19)                                       \
  store_sums
#define ADVANCE(pixel) "add %[at" #pixel "], %[at" #pixel "], #8\n\t"
#define MOVE_2(how) how " q20, q21, [%[sums]]\n\t" how " q22, q23, [%[sums], #32]\n\t"
#define MOVE_4(how) MOVE_2(how) how " q24, q25, [%[sums], #64]\n\t" how " q26, q27, [%[sums], #96]\n\t"
#define MOVE_6(how) MOVE_4(how) how " q28, q29, [%[sums], #128]\n\t" how " q30, q31, [%[sums], #160]\n\t"
#define AT(pixel) [at##pixel] "+r"(at[pixel])
#define CHANGED                                                                                                  \
  "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16",   \
      "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31", "cc", \
      "memory"

/* Adds `steps` steps, at least one. Up to 64 bytes of weights and 8 of inputs are read behind them. */
typedef void add_steps(const int8_t *weights, const int8_t **at, int64_t steps, pooled *sums);

EB_INLINE void add_steps_2(const int8_t *weights, const int8_t **at, int64_t steps, pooled *sums) {
  __asm__ volatile(LOOP(MOVE_2("ldp"), EVEN(22, 23, LOAD_ODD(1)) ODD(20, 21, ""), ADVANCE(0) ADVANCE(1), 22, 23,
                        MOVE_2("stp"))
                   : AT(0), AT(1), [weights] "+r"(weights), [steps] "+r"(steps)
                   : [sums] "r"(sums)
                   : CHANGED);
}

EB_INLINE void add_steps_4(const int8_t *weights, const int8_t **at, int64_t steps, pooled *sums) {
  __asm__ volatile(LOOP(MOVE_4("ldp"),
                        EVEN(26, 27, LOAD_ODD(1)) ODD(20, 21, LOAD_EVEN(2)) EVEN(22, 23, LOAD_ODD(3)) ODD(24, 25, ""),
                        ADVANCE(0) ADVANCE(1) ADVANCE(2) ADVANCE(3), 26, 27, MOVE_4("stp"))
                   : AT(0), AT(1), AT(2), AT(3), [weights] "+r"(weights), [steps] "+r"(steps)
                   : [sums] "r"(sums)
                   : CHANGED);
}

EB_INLINE void add_steps_6(const int8_t *weights, const int8_t **at, int64_t steps, pooled *sums) {
  __asm__ volatile(LOOP(MOVE_6("ldp"),
                        EVEN(30, 31, LOAD_ODD(1)) ODD(20, 21, LOAD_EVEN(2)) EVEN(22, 23, LOAD_ODD(3))
                            ODD(24, 25, LOAD_EVEN(4)) EVEN(26, 27, LOAD_ODD(5)) ODD(28, 29, ""),
                        ADVANCE(0) ADVANCE(1) ADVANCE(2) ADVANCE(3) ADVANCE(4) ADVANCE(5), 30, 31, MOVE_6("stp"))
                   : AT(0), AT(1), AT(2), AT(3), AT(4), AT(5), [weights] "+r"(weights), [steps] "+r"(steps)
                   : [sums] "r"(sums)
                   : CHANGED);
}

EB_INLINE int8x16_t repeated(const int8_t *pair) {
  int16_t both;
  memcpy(&both, pair, sizeof(both));
  return vreinterpretq_s8_s16(vdupq_n_s16(both));
}

/* Adds half a step: two pairs. */
EB_INLINE void add_half(const int8_t *weights, const int8_t *at, pooled *sums) {
  const int8x16_t w0 = vld1q_s8(weights), w1 = vld1q_s8(weights + 2 * TILE);
  const int8x16_t x0 = repeated(at), x1 = repeated(at + 2);
  const int16x8_t low = vmull_s8(vget_low_s8(w0), vget_low_s8(x0)), high = vmull_high_s8(w0, x0);
  sums->val[0] = vpadalq_s16(sums->val[0], vmlal_s8(low, vget_low_s8(w1), vget_low_s8(x1)));
  sums->val[1] = vpadalq_s16(sums->val[1], vmlal_high_s8(high, w1, x1));
}

/* Some pixels (a constant) from `first` on, of which `count` are wanted. */
EB_INLINE void compute(const eb_conv2d_few_block *b, int32_t first, int32_t count, const int pixels, add_steps *add) {
  const int8_t *weights = b->weights, *windows = (const int8_t *)b->windows + (size_t)first * b->window_bytes;
  const int32_t *bias = b->bias;
  const int8_t *at[MOST_PIXELS];
  pooled sums[MOST_PIXELS];
#pragma GCC unroll 6
  for (int p = 0; p < pixels; p++) {
    at[p] = windows + (size_t)p * b->window_bytes;
    sums[p] = pool_load(bias);
  }
  const int32_t steps = b->groups / PAIRS;
  if (steps > 0) add(weights, at, steps, sums);
  if (b->groups % PAIRS != 0) {
#pragma GCC unroll 6
    for (int p = 0; p < pixels; p++) {
      const int8_t *rest = windows + (size_t)p * b->window_bytes + steps * STEP;
      add_half(weights + steps * STEP * TILE, rest, &sums[p]);
    }
  }
  eb_few_neon_finish(b, first, count, 1, sums);
}

void eb_conv2d_few_neon64(const eb_conv2d_few_block *b) {
  eb_require_conv2d_few_block(b, TILE);
  for (int32_t first = 0, left; (left = b->pixel_count - first) > 0;) {
    if (left == 5 || left >= MOST_PIXELS) {
      compute(b, first, eb_at_most(left, 6), 6, add_steps_6);
      first += 6;
    } else if (left > 2) {
      compute(b, first, left, 4, add_steps_4);
      first += 4;
    } else {
      compute(b, first, left, 2, add_steps_2);
      first += 2;
    }
  }
}

#define FEW_KERNEL conv2d_few_neon64
#include "../core/conv2d_few_rows.h"
#endif
