/* Depthwise convolution of int8 without the DSP extension: the sums of all channels of a pixel, then their outputs. */
#include "depthwise_int8.h"

#if defined(__thumb__) && defined(__ARM_ARCH_PROFILE) && !defined(__ARM_FEATURE_DSP)
#if __ARM_ARCH_PROFILE == 'M'
#define EB_MULTIPLIES_WORDS 1
#endif
#endif

#if defined(EB_MULTIPLIES_WORDS)

#include "depthwise_window.h"
#include "naked.h"
#include "requantize.h"

/* What add_threes() is told. It counts on the order. */
typedef struct threes {
  int32_t tap, row, rows;
  const int32_t *sums_end;
} threes;

#define TAP(number, at)          \
  "movs r6, #" number "      \n" \
  "ldrsb r5, [r1, r6]        \n" \
  "ldrsb r4, [r0, " at "]    \n" \
  "muls r4, r5, r4           \n" \
  "add r8, r4                \n"

/* Adds the products of windows 3 taps wide to the sums of all channels. r0: input, r1: weights, r2: from tap to tap, r3: twice that,
 * r7: rows left, r8: a sum, r9: from row to row, r10: rows, r11: the sums' end, r12: sums, lr: the channel's window. */
EB_NAKED void add_threes(const int8_t *first EB_UNUSED,
                                                        const int8_t *weights EB_UNUSED,
                                                        const threes *state EB_UNUSED,
                                                        int32_t *sums EB_UNUSED) {
  __asm__(
      EB_UNIFIED
      "push {r4-r7, lr}          \n"
      "mov r4, r8                \n"
      "mov r5, r9                \n"
      "mov r6, r10               \n"
      "mov r7, r11               \n"
      "push {r4-r7}              \n"
      "mov r12, r3               \n"
      "mov lr, r0                \n"
      "ldm r2!, {r4-r7}          \n"
      "mov r9, r5                \n"
      "mov r10, r6               \n"
      "mov r11, r7               \n"
      "movs r2, r4               \n"
      "lsls r3, r4, #1           \n"
      "1:                        \n" /* a channel */
      "mov r7, r12               \n"
      "ldr r7, [r7]              \n"
      "mov r8, r7                \n"
      "mov r7, r10               \n"
      "mov r0, lr                \n"
      "2:                        \n" /* a row */
      TAP("1", "r2")
      TAP("2", "r3")
      "movs r6, #0               \n"
      "ldrsb r5, [r1, r6]        \n"
      "ldrsb r4, [r0, r6]        \n"
      "muls r4, r5, r4           \n"
      "add r8, r4                \n"
      "add r0, r9                \n"
      "adds r1, #3               \n"
      "subs r7, #1               \n"
      "bne 2b                    \n"
      "mov r4, r8                \n"
      "mov r5, r12               \n"
      "stm r5!, {r4}             \n"
      "mov r12, r5               \n"
      "movs r4, #1               \n"
      "add lr, r4                \n"
      "cmp r12, r11              \n"
      "bne 1b                    \n"
      "pop {r4-r7}               \n"
      "mov r8, r4                \n"
      "mov r9, r5                \n"
      "mov r10, r6               \n"
      "mov r11, r7               \n"
      "pop {r4-r7, pc}           \n");
}

/* Of any other width, and for several outputs of one channel. */
static void add_taps(const eb_depthwise_int8_layer *l, eb_depthwise_window at, int32_t *sums) {
  const int8_t *weight = l->weights;
  for (int32_t c = l->channels; c > 0; c--, at.first++) {
    for (int32_t m = l->multiplicity; m > 0; m--) {
      const int8_t *row = at.first;
      int32_t sum = *sums;
      for (int32_t r = l->geometry.filter_height; r > 0; r--, row += at.row) {
        const int8_t *x = row;
        for (int32_t left = l->geometry.filter_width; left > 0; left--, x += at.tap) sum += *weight++ * *x;
      }
      *sums++ = sum;
    }
  }
}

static void outputs(const eb_depthwise_int8_layer *l, eb_depthwise_window at, int8_t *output, int32_t *sums) {
  const int32_t count = l->channels * l->multiplicity;
  for (int32_t o = 0; o < count; o++) sums[o] = l->constants[4 * o];
  if (l->multiplicity == 1 && l->geometry.filter_width == 3) {
    const threes state = {at.tap, at.row, l->geometry.filter_height, sums + count};
    add_threes(at.first, l->weights, &state, sums);
  } else {
    add_taps(l, at, sums);
  }
  const int32_t low = l->low, high = l->high;
  const int32_t *constant = l->constants;
  for (int8_t *end = output + count; output < end; constant += 4, sums++) {
    /* Halves away from zero: one less where the sum is negative; see conv_int8_dsp.c. */
    const int32_t scaled = (eb_high_mul(*sums, constant[1]) + constant[2] + (*sums >> 31)) >> constant[3];
    *output++ = (int8_t)eb_clamp(scaled, low, high);
  }
}

void eb_depthwise_int8_words(const eb_depthwise_int8_layer *l, const int8_t *input, int8_t *output, void *scratch) {
  int32_t *sums = scratch;
  eb_depthwise_windows(l, input, output, sums, (int8_t *)(sums + l->channels * l->multiplicity), outputs);
}
#endif
