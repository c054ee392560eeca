/* Depthwise convolution of int8, four channels at a time. */
#include "depthwise_int8.h"

#include "dsp.h"

#if EB_HAS_DSP

#include "depthwise_window.h"
#include "naked.h"
#include "requantize.h"

/* What pixel() keeps in memory. It counts on the order. */
typedef struct pixel_state {
  const int8_t *weights;
  const int32_t *constants;
  int32_t tap;
  int8_t *output, *output_end;
  int32_t height, width;
  int32_t next_row;   /* from where a row of the window was left: behind its last tap, or at its first if the width is 3 */
  int32_t next_block; /* from where the last row was left to the window's next four channels */
} pixel_state;

/* Four channels of one tap: r5 and r7 sum the even bytes, r6 and r8 the odd ones. */
#define TAP(from)               \
  "ldr r9, [r1], #4         \n" \
  "ldr r10, " from "        \n" \
  "sxtb16 r11, r9           \n" \
  "sxtb16 r12, r10          \n" \
  "smlabb r5, r11, r12, r5  \n" \
  "smlatt r7, r11, r12, r7  \n" \
  "sxtb16 r9, r9, ror #8    \n" \
  "sxtb16 r10, r10, ror #8  \n" \
  "smlabb r6, r9, r10, r6   \n" \
  "smlatt r8, r9, r10, r8   \n"

/* (sum * multiplier rounded + addend - (sum < 0)) >> shift, saturated; see conv_int8_dsp.c. */
#define OUTPUT(sum, multiplier, addend, shift)           \
  "add " addend ", " addend ", " sum ", asr #31      \n" \
  "lsl " sum ", " sum ", #1                          \n" \
  "smmlar " sum ", " sum ", " multiplier ", " addend "\n" \
  "asr " sum ", " sum ", " shift "                   \n" \
  "ssat " sum ", #8, " sum "                         \n"

/* All channels of one pixel. r0: the window, r1: weights, r2: constants, r3: taps left in a row, r4: from tap to tap, r5 to r8:
 * sums, lr: rows left. */
EB_NAKED void pixel(const int8_t *first EB_UNUSED,
                                                   const pixel_state *state EB_UNUSED) {
  __asm__(
      EB_UNIFIED
      "push {r4-r11, lr}       \n"
      "sub sp, sp, #28         \n"
      "mov r12, r1             \n"
      "ldm r12!, {r1, r2, r4}  \n"
      "ldm r12, {r5-r10}       \n" /* output, output_end, height, width, next_row, next_block */
      "stm sp, {r5-r10}        \n"
      "1:                      \n" /* four channels */
      "ldrd lr, r3, [sp, #8]   \n"
      "ldm r2!, {r5-r8}        \n"
      "cmp r3, #3              \n"
      "bne 3f                  \n"
      "2:                      \n" /* a row of three taps */
      TAP("[r0]")
      TAP("[r0, r4]")
      TAP("[r0, r4, lsl #1]")
      "ldr r12, [sp, #16]      \n"
      "add r0, r0, r12         \n"
      "subs lr, lr, #1         \n"
      "bne.w 2b                \n"
      "b.w 5f                  \n"
      "3:                      \n" /* a row of any number of taps */
      "ldr r3, [sp, #12]       \n"
      "4:                      \n"
      TAP("[r0]")
      "add r0, r0, r4          \n"
      "subs r3, r3, #1         \n"
      "bne 4b                  \n"
      "ldr r12, [sp, #16]      \n"
      "add r0, r0, r12         \n"
      "subs lr, lr, #1         \n"
      "bne 3b                  \n"
      "5:                      \n"
      "ldm r2!, {r3, r9, r10, r11, r12, lr} \n"
      OUTPUT("r5", "r3", "r9", "r10")
      OUTPUT("r6", "r11", "r12", "lr")
      "ldm r2!, {r3, r9, r10, r11, r12, lr} \n"
      OUTPUT("r7", "r3", "r9", "r10")
      OUTPUT("r8", "r11", "r12", "lr")
      "ldm sp, {r3, r9}        \n"
      "ldr r12, [sp, #20]      \n"
      "bfi r5, r6, #8, #8      \n"
      "bfi r5, r7, #16, #8     \n"
      "bfi r5, r8, #24, #8     \n"
      "str r5, [r3], #4        \n"
      "add r0, r0, r12         \n"
      "str r3, [sp]            \n"
      "cmp r3, r9              \n"
      "bne.w 1b                \n"
      "add sp, sp, #28         \n"
      "pop {r4-r11, pc}        \n");
}

static void outputs(const eb_depthwise_int8_layer *l, eb_depthwise_window at, int8_t *output, int32_t *sums) {
  (void)sums;
  const eb_geometry *g = &l->geometry;
  const int32_t next_row = g->filter_width == 3 ? at.row : at.row - g->filter_width * at.tap;
  const pixel_state state = {l->weights,
                             l->constants,
                             at.tap,
                             output,
                             output + l->channels,
                             g->filter_height,
                             g->filter_width,
                             next_row,
                             4 - g->filter_height * at.row};
  pixel(at.first, &state);
  if (l->low > -128 || l->high < 127) {
    for (int32_t c = 0; c < l->channels; c++) output[c] = (int8_t)eb_clamp(output[c], l->low, l->high);
  }
}

void eb_depthwise_int8_dsp(const eb_depthwise_int8_layer *l, const int8_t *input, int8_t *output, void *scratch) {
  eb_depthwise_windows(l, input, output, 0, scratch, outputs);
}
#endif
