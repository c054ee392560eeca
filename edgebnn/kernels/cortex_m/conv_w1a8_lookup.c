/* W1A8 convolution by look-ups, for cores without the DSP extension (Cortex-M0+, M3).
 *
 * Four neighbouring inputs have 16 sums under all signs; the four signs of a filter select one. A table entry holds the sums of
 * four pixels, in halves of two words, so one look-up does 16 multiply-accumulates. The tables of 32 inputs serve all filters
 * before those of the next 32 are made in their place. Halves hold the sums of 256 inputs, which are then added to words. */
#include "../core/conv_w1a8.h"
#include "gather_w1a8.h"
#include "naked.h"
#include "outputs_w1a8.h"

#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'

#define GROUPS 8        /* of four inputs, in a word of weights */
#define ENTRY_WORDS 2
#define TABLE_WORDS 32  /* 16 entries */
#define CHUNKS 8        /* words of weights whose sums halves hold */

/* One word of weights of each filter; the assembly knows the offsets. */
typedef struct chunk {
  const uint32_t *tables;      /*  0: of group 0 */
  const uint32_t *weights;     /*  4 */
  uint32_t *halves;            /*  8: [filters][2] */
  const uint32_t *weights_end; /* 12 */
  uint32_t first;              /* 16: groups that the word leaves out */
} chunk;

/* Adds the selected entries of all groups to the halves of each filter. */
#if defined(__ARM_ARCH_6M__)

#define GROUP(shift) \
  shift "\n\t" \
  "ands r0, r3\n\t" \
  "adds r0, r0, r2\n\t" \
  "ldmia r0!, {r4, r5}\n\t" \
  "adds r6, r6, r4\n\t" \
  "adds r7, r7, r5\n\t"

#define NEXT_TABLE "adds r2, #128\n\t"

/* r0 entry, r1 signs, r2 table, r3 mask, r4 and r5 entry, r6 and r7 halves; r8 weights, r9 halves, r10 end, r11 first table,
 * r12 where to begin. */
EB_NAKED void add_chunk(const chunk *c EB_UNUSED) {
  __asm__ volatile(
      ".syntax unified\n\t"
      "push {r4, r5, r6, r7, lr}\n\t"
      "mov r4, r8\n\t"
      "mov r5, r9\n\t"
      "mov r6, r10\n\t"
      "mov r7, r11\n\t"
      "push {r4, r5, r6, r7}\n\t"
      "ldmia r0!, {r2, r4, r5, r6, r7}\n\t"
      "mov r8, r4\n\t"
      "mov r9, r5\n\t"
      "mov r10, r6\n\t"
      "lsls r3, r7, #7\n\t" /* bytes of tables */
      "adds r2, r2, r3\n\t"
      "mov r11, r2\n\t"
      "movs r3, #14\n\t" /* bytes of a group's instructions */
      "muls r7, r3, r7\n\t"
      "adr r3, 5f\n\t"
      "adds r3, r3, r7\n\t"
      "adds r3, #1\n\t" /* Thumb code */
      "mov r12, r3\n\t"
      "movs r3, #120\n\t"
      "1:\n\t"
      "mov r4, r8\n\t"
      "ldmia r4!, {r1}\n\t"
      "mov r8, r4\n\t"
      "mov r4, r9\n\t"
      "ldr r6, [r4]\n\t"
      "ldr r7, [r4, #4]\n\t"
      "mov r2, r11\n\t"
      "bx r12\n\t"
      ".p2align 2\n\t"
      "5:\n\t"
      GROUP("lsls r0, r1, #3") NEXT_TABLE
      GROUP("lsrs r0, r1, #1") NEXT_TABLE
      GROUP("lsrs r0, r1, #5") NEXT_TABLE
      GROUP("lsrs r0, r1, #9") NEXT_TABLE
      GROUP("lsrs r0, r1, #13") NEXT_TABLE
      GROUP("lsrs r0, r1, #17") NEXT_TABLE
      GROUP("lsrs r0, r1, #21") NEXT_TABLE
      GROUP("lsrs r0, r1, #25")
      "mov r4, r9\n\t"
      "stmia r4!, {r6, r7}\n\t"
      "mov r9, r4\n\t"
      "cmp r8, r10\n\t"
      "bne 1b\n\t"
      "pop {r4, r5, r6, r7}\n\t"
      "mov r8, r4\n\t"
      "mov r9, r5\n\t"
      "mov r10, r6\n\t"
      "mov r11, r7\n\t"
      "pop {r4, r5, r6, r7, pc}");
}

#else

#define GROUP(bit, offset) \
  "ubfx r7, r4, #" bit ", #4\n\t" \
  "add.w r7, r1, r7, lsl #3\n\t" \
  "ldrd r8, r9, [r7, #" offset "]\n\t" \
  "add.w r5, r5, r8\n\t" \
  "add.w r6, r6, r9\n\t"

/* r0 where to begin, r1 tables, r2 weights, r3 halves, r4 signs, r5 and r6 halves, r7 place, r8 and r9 entry, r12 end. */
EB_NAKED void add_chunk(const chunk *c EB_UNUSED) {
  __asm__ volatile(
      "push {r4, r5, r6, r7, r8, r9, r10, lr}\n\t"
      "ldmia.w r0, {r1, r2, r3, r12}\n\t"
      "ldr r0, [r0, #16]\n\t"
      "add.w r0, r0, r0, lsl #2\n\t"
      "lsls r0, r0, #2\n\t" /* 20 bytes of instructions a group */
      "adr.w r4, 5f\n\t"
      "add r0, r4\n\t"
      "orr.w r0, r0, #1\n\t" /* Thumb code */
      "1:\n\t"
      "ldr.w r4, [r2], #4\n\t"
      "ldrd r5, r6, [r3]\n\t"
      "bx r0\n\t"
      "5:\n\t"
      GROUP("0", "0") GROUP("4", "128") GROUP("8", "256") GROUP("12", "384")
      GROUP("16", "512") GROUP("20", "640") GROUP("24", "768") GROUP("28", "896")
      "strd r5, r6, [r3], #8\n\t"
      "cmp r2, r12\n\t"
      "bne 1b\n\t"
      "pop {r4, r5, r6, r7, r8, r9, r10, pc}");
}

#endif

/* Sums of four inputs of two pixels, a and b, under all signs: entry e subtracts (as 255 - u) the inputs whose bits are set.
 * Neighbours in Gray code differ by one input. A half may become negative on the way to its entry, which borrows from the other
 * one, but the entries are exact. */
static void make_table(uint32_t *table, uint32_t a, uint32_t b) {
  const uint32_t even_a = a & 0x00ff00ffu, even_b = b & 0x00ff00ffu, odd_a = (a >> 8) & 0x00ff00ffu;
  const uint32_t odd_b = (b >> 8) & 0x00ff00ffu;
  const uint32_t x0 = (even_a & 0xffff) | even_b << 16, x2 = even_a >> 16 | (even_b & 0xffff0000u);
  const uint32_t x1 = (odd_a & 0xffff) | odd_b << 16, x3 = odd_a >> 16 | (odd_b & 0xffff0000u);
  const uint32_t d0 = 0x00ff00ffu - 2 * x0, d1 = 0x00ff00ffu - 2 * x1, d2 = 0x00ff00ffu - 2 * x2;
  const uint32_t d3 = 0x00ff00ffu - 2 * x3;
  uint32_t sum = x0 + x1 + x2 + x3;
  table[ENTRY_WORDS * 0] = sum;
  table[ENTRY_WORDS * 1] = sum += d0;
  table[ENTRY_WORDS * 3] = sum += d1;
  table[ENTRY_WORDS * 2] = sum -= d0;
  table[ENTRY_WORDS * 6] = sum += d2;
  table[ENTRY_WORDS * 7] = sum += d0;
  table[ENTRY_WORDS * 5] = sum -= d1;
  table[ENTRY_WORDS * 4] = sum -= d0;
  table[ENTRY_WORDS * 12] = sum += d3;
  table[ENTRY_WORDS * 13] = sum += d0;
  table[ENTRY_WORDS * 15] = sum += d1;
  table[ENTRY_WORDS * 14] = sum -= d0;
  table[ENTRY_WORDS * 10] = sum -= d2;
  table[ENTRY_WORDS * 11] = sum += d0;
  table[ENTRY_WORDS * 9] = sum -= d1;
  table[ENTRY_WORDS * 8] = sum - d0;
}

static void add_halves(const uint32_t *halves, int32_t *sums, int32_t filters) {
  for (; filters > 0; filters--, halves += 2, sums += EB_W1A8_PIXELS) {
    sums[0] += (int32_t)(halves[0] & 0xffff);
    sums[1] += (int32_t)(halves[0] >> 16);
    sums[2] += (int32_t)(halves[1] & 0xffff);
    sums[3] += (int32_t)(halves[1] >> 16);
  }
}

static void clear(uint32_t *words, int32_t count) {
  for (; count > 0; count--) {
    *words++ = 0;
    __asm__("" : "+r"(count)); /* as it is: memset need not be there */
  }
}

/* The outputs of four pixels, `step` bytes from one to the next. */
static void finish(const eb_conv_w1a8_sums *layer, int32_t channel, const uint32_t *halves, const int32_t *sums,
                   int8_t *output, int32_t step) {
  const int32_t rounding = 2 * layer->output_zero_point + 1, end = channel + layer->filters;
  for (; channel < end; channel++, halves += 2, output++) {
    const int32_t *scale = layer->scales + 3 * channel;
    int32_t a = (int32_t)(halves[0] & 0xffff), b = (int32_t)(halves[0] >> 16);
    int32_t c = (int32_t)(halves[1] & 0xffff), d = (int32_t)(halves[1] >> 16);
    if (sums) {
      a += *sums++;
      b += *sums++;
      c += *sums++;
      d += *sums++;
    }
    if (scale[2] >> 8) {
      const int32_t half = (int32_t)((uint32_t)rounding << (scale[2] & 0xff)) >> 1;
      output[0] = eb_w1a8_short(scale, a, half);
      output[step] = eb_w1a8_short(scale, b, half);
      output[2 * step] = eb_w1a8_short(scale, c, half);
      output[3 * step] = eb_w1a8_short(scale, d, half);
    } else {
      output[0] = eb_w1a8_general(layer, channel, a);
      output[step] = eb_w1a8_general(layer, channel, b);
      output[2 * step] = eb_w1a8_general(layer, channel, c);
      output[3 * step] = eb_w1a8_general(layer, channel, d);
    }
  }
}

void eb_conv_w1a8_lookup(const eb_conv_w1a8_sums *layer, const int8_t *input, int8_t *output, void *scratch) {
  const int32_t words = eb_w1a8_words(layer), chunks = (words + GROUPS - 1) >> 3, filters = layer->filters;
  uint32_t *windows = scratch, *tables = windows + words * EB_W1A8_PIXELS, *halves = tables + GROUPS * TABLE_WORDS;
  int32_t *sums = chunks > CHUNKS ? (int32_t *)(halves + 2 * filters) : 0;
  int8_t *aside = (int8_t *)(halves + (sums ? 6 : 2) * filters);
  const int32_t channels = filters * layer->groups;
  eb_w1a8_walk walk = eb_w1a8_start(layer, input);
  for (int32_t count = eb_w1a8_next(&walk); count > 0; count = eb_w1a8_next(&walk)) {
    const uint32_t *weights = layer->weights;
    int8_t *to = count == EB_W1A8_PIXELS ? output : aside;
    for (int32_t group = 0; group < layer->groups; group++) {
      const uint32_t *window = windows;
      int32_t first = -words & (GROUPS - 1);
      eb_w1a8_gather(&walk, group, windows);
      if (sums) clear((uint32_t *)sums, EB_W1A8_PIXELS * filters);
      clear(halves, 2 * filters);
      for (int32_t i = 0; i < chunks; i++, first = 0, weights += filters) {
        for (int32_t g = first; g < GROUPS; g++, window += EB_W1A8_PIXELS) {
          make_table(tables + g * TABLE_WORDS, window[0], window[1]);
          make_table(tables + g * TABLE_WORDS + 1, window[2], window[3]);
        }
        const chunk now = {tables, weights, halves, weights + filters, (uint32_t)first};
        add_chunk(&now);
        if ((i & (CHUNKS - 1)) == CHUNKS - 1 && i + 1 < chunks) {
          add_halves(halves, sums, filters);
          clear(halves, 2 * filters);
        }
      }
      finish(layer, group * filters, halves, sums, to + group * filters, channels);
    }
    if (count < EB_W1A8_PIXELS) {
      for (int32_t i = 0; i < count * channels; i++) output[i] = aside[i];
    }
    output += count * channels;
  }
}

#endif
