/* W1A8 convolution with the DSP extension (Cortex-M4, M7, M33).
 *
 * USADA8 adds |x - m| over the four bytes of a word to an accumulator: with m = 0 for a weight of +1 and 255 for -1 that is x
 * or 255 - x, so one instruction does four multiply-accumulates. A word of masks comes from the packed signs by two
 * instructions, as operands are shifted on the way: t = ones & (w >> k) has the k-th sign of each byte, and (t << 8) - t
 * spreads each over its byte. One filter meets four pixels, whose words lie side by side so that one LDM loads them: seven
 * instructions for 16 multiply-accumulates. It is written out because compilers spill: it takes every register there is. */
#include "dsp.h"

#if EB_HAS_DSP

#include "gather_w1a8.h"
#include "naked.h"
#include "outputs_w1a8.h"

/* One block of four pixels against the filters of a group; the assembly copies the first nine to its stack. */
typedef struct eb_w1a8_dsp_block {
  const uint32_t *windows;
  uint32_t entry; /* what the first round leaves out, in bytes of instructions */
  int8_t *output; /* of the first pixel */
  const int32_t *scales;
  int32_t twice_zero; /* 2 * zero point + 1 */
  int32_t pixel_step; /* outputs of a pixel */
  const uint32_t *windows_end;
  uint32_t ones; /* 0x01010101 */
  const uint32_t *weights_end;
  const uint32_t *weights;      /* at byte 36 */
  int32_t sums[EB_W1A8_PIXELS]; /* at byte 40 */
  const eb_conv_w1a8_sums *layer;
} eb_w1a8_dsp_block;

/* A filter's outputs by the general form; called from the assembly. */
void eb_w1a8_dsp_finish(const eb_w1a8_dsp_block *block, int8_t *output, const int32_t *scales);

void eb_w1a8_dsp_finish(const eb_w1a8_dsp_block *block, int8_t *output, const int32_t *scales) {
  const int32_t channel = (int32_t)(scales - block->layer->scales) / 3;
  for (int32_t p = 0; p < EB_W1A8_PIXELS; p++) {
    output[p * block->pixel_step] = eb_w1a8_general(block->layer, channel, block->sums[p]);
  }
}

/* Two words of weights are taken in a round, which saves a branch. */
#define ROUND 16

#define GROUP(shift) \
  "and.w r12, r3, lr" shift "\n\t" \
  "rsb.w r12, r12, r12, lsl #8\n\t" \
  "ldmia.w r0!, {r8, r9, r10, r11}\n\t" \
  "usada8 r4, r8, r12, r4\n\t" \
  "usada8 r5, r9, r12, r5\n\t" \
  "usada8 r6, r10, r12, r6\n\t" \
  "usada8 r7, r11, r12, r7\n\t"

#define WORD GROUP("") ".irp k, 1, 2, 3, 4, 5, 6, 7\n\t" GROUP(", lsr #\\k") ".endr\n\t"

/* Bytes of a group's instructions, all of 32 bits. */
#define GROUP_BYTES 28

/* The output of a pixel: with a = 2 * accumulator, round(a * multiplier / 2**32), then (that - (a < 0) + 2**(bits - 1)) >> bits,
 * which rounds halves away from zero; the zero point is in the constant that is added. (The sign of a serves for that of its
 * product, as a product of 0 is rounded to 0 either way.) */
#define OUTPUT(sum, place) \
  "mla " sum ", " sum ", r8, r9\n\t" \
  "smmlar r2, " sum ", r10, lr\n\t" \
  "add.w r2, r2, " sum ", asr #31\n\t" \
  "asr.w r2, r2, r11\n\t" \
  "ssat r2, #8, r2\n\t" \
  "strb r2, " place "\n\t"

/* Sums and outputs of four pixels for all filters of a group.
 * r0 words of inputs, r1 weights, r2 end of the windows, r3 0x01010101, r4-r7 sums, r8-r11 inputs, r12 mask, lr signs; then
 * r0 outputs, r2 the output, r3 outputs of a pixel, r8 magnitude, r9 constant, r10 multiplier, r11 bits, r12 scales,
 * lr rounding. Stack: as in the struct; 36 the struct. */
EB_NAKED void run_block(eb_w1a8_dsp_block *block EB_UNUSED) {
  __asm__ volatile(
      "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n\t"
      "sub sp, #44\n\t"
      "ldmia.w r0, {r4, r5, r6, r7, r8, r9, r10, r11, r12}\n\t"
      "stmia.w sp, {r4, r5, r6, r7, r8, r9, r10, r11, r12}\n\t"
      "str r0, [sp, #36]\n\t"
      "adr.w r4, 5f\n\t"
      "add r4, r5\n\t"
      "orr.w r4, r4, #1\n\t" /* Thumb code */
      "str r4, [sp, #4]\n\t"
      "ldr r1, [r0, #36]\n\t"
      "ldrd r2, r3, [sp, #24]\n\t"
      "1:\n\t"
      "ldrd r0, r12, [sp]\n\t"
      "movs r4, #0\n\t"
      "movs r5, #0\n\t"
      "movs r6, #0\n\t"
      "movs r7, #0\n\t"
      "ldr.w lr, [r1], #4\n\t"
      "bx r12\n\t"
      "4:\n\t"
      "ldr.w lr, [r1], #4\n\t"
      "5:\n\t"
      WORD
      "ldr.w lr, [r1], #4\n\t"
      WORD
      "cmp r0, r2\n\t"
      "bne.w 4b\n\t"
      "ldrd r0, r12, [sp, #8]\n\t"
      "ldmia.w r12!, {r9, r10, r11}\n\t"
      "ldrd lr, r3, [sp, #16]\n\t"
      "asrs.w r8, r11, #8\n\t"
      "beq 3f\n\t"
      "lsl.w lr, lr, r11\n\t" /* by its lowest byte */
      "asr.w lr, lr, #1\n\t"
      OUTPUT("r4", "[r0]")
      OUTPUT("r5", "[r0, r3]")
      OUTPUT("r6", "[r0, r3, lsl #1]")
      "add.w r3, r3, r3, lsl #1\n\t"
      OUTPUT("r7", "[r0, r3]")
      "2:\n\t"
      "adds r0, #1\n\t"
      "strd r0, r12, [sp, #8]\n\t"
      "ldrd r2, r3, [sp, #24]\n\t"
      "ldr r12, [sp, #32]\n\t"
      "cmp r1, r12\n\t"
      "bne 1b\n\t"
      "add sp, #44\n\t"
      "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n\t"
      "3:\n\t"
      "mov r10, r0\n\t"
      "ldr r0, [sp, #36]\n\t"
      "add.w r8, r0, #40\n\t"
      "stmia.w r8, {r4, r5, r6, r7}\n\t"
      "mov r4, r1\n\t"
      "mov r5, r12\n\t"
      "mov r1, r10\n\t"
      "sub.w r2, r12, #12\n\t"
      "bl eb_w1a8_dsp_finish\n\t"
      "mov r0, r10\n\t"
      "mov r1, r4\n\t"
      "mov r12, r5\n\t"
      "b 2b");
}

void eb_conv_w1a8_dsp(const eb_conv_w1a8_sums *layer, const int8_t *input, int8_t *output, void *scratch) {
  const int32_t words = eb_w1a8_words(layer), channels = layer->groups * layer->filters;
  uint32_t *windows = scratch;
  int8_t *aside = (int8_t *)(windows + words * EB_W1A8_PIXELS);
  eb_w1a8_walk walk = eb_w1a8_start(layer, input);
  eb_w1a8_dsp_block block;
  block.windows = windows;
  block.windows_end = windows + words * EB_W1A8_PIXELS;
  const uint32_t left_out = (uint32_t)-words & (ROUND - 1);
  block.entry = left_out * GROUP_BYTES + (left_out < 8 ? 0 : 4); /* behind the load of the second word */
  block.twice_zero = 2 * layer->output_zero_point + 1;
  block.pixel_step = channels;
  block.ones = 0x01010101u;
  block.layer = layer;
  for (int32_t count = eb_w1a8_next(&walk); count > 0; count = eb_w1a8_next(&walk)) {
    block.weights_end = layer->weights;
    block.scales = layer->scales;
    block.output = count == EB_W1A8_PIXELS ? output : aside;
    for (int32_t group = 0; group < layer->groups; group++) {
      eb_w1a8_gather(&walk, group, windows);
      block.weights = block.weights_end;
      block.weights_end += layer->filters * ((words + 7) / 8);
      run_block(&block);
      block.output += layer->filters;
      block.scales += 3 * layer->filters;
    }
    if (count < EB_W1A8_PIXELS) {
      for (int32_t i = 0; i < count * channels; i++) output[i] = aside[i];
    }
    output += count * channels;
  }
}

#endif
