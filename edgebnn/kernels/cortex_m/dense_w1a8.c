/* W1A8 dense layers, four inputs of one row and one filter at a time: masks as in conv_w1a8_dsp.c, and usada8 where there is
 * the DSP extension. */
#include "../core/dense_w1a8.h"

#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'

#include "../core/dense_w1a8_output.h"
#include "dsp.h"

/* Four inputs, at any address. */
typedef struct quad {
  uint32_t value;
} __attribute__((packed, aligned(1), may_alias)) quad;

/* Keeps a compiler from unrolling a loop. */
#define ROLLED(counter) __asm__("" : "+r"(counter))

#define ONES 0x01010101u

#if EB_HAS_DSP

#define GROUP(shift, input) \
  "and.w %[mask], %[ones], %[signs]" shift "\n\t" \
  "rsb.w %[mask], %[mask], %[mask], lsl #8\n\t" \
  "usada8 %[sum], " input ", %[mask], %[sum]\n\t"

static int32_t sum_of(const uint32_t *row, const int32_t *signs, int32_t words) {
  const uint32_t ones = ONES;
  uint32_t mask, sum = 0;
  for (; words > 0; words--) {
    __asm__ volatile(
        "ldmia %[row]!, {r8, r9, r10, r11}\n\t"
        GROUP("", "r8") GROUP(", lsr #1", "r9") GROUP(", lsr #2", "r10") GROUP(", lsr #3", "r11")
        "ldmia %[row]!, {r8, r9, r10, r11}\n\t"
        GROUP(", lsr #4", "r8") GROUP(", lsr #5", "r9") GROUP(", lsr #6", "r10") GROUP(", lsr #7", "r11")
        : [row] "+r"(row), [sum] "+r"(sum), [mask] "=&r"(mask)
        : [ones] "r"(ones), [signs] "r"(*signs++)
        : "r8", "r9", "r10", "r11", "memory");
  }
  return (int32_t)sum;
}

#else

/* x, or 255 - x where the sign is set; the halves of a word hold the sums of 8 words. */
static int32_t sum_of(const uint32_t *row, const int32_t *signs, int32_t words) {
  int32_t sum = 0;
  for (; words > 0; words--) {
    uint32_t left = (uint32_t)*signs++, halves = 0;
    for (int32_t k = 8; k > 0; k--, left >>= 1) {
      const uint32_t sign = left & ONES, bytes = *row++ ^ ((sign << 8) - sign);
      halves += (bytes & 0x00ff00ffu) + (bytes >> 8 & 0x00ff00ffu);
      ROLLED(k);
    }
    sum += (int32_t)((halves & 0xffff) + (halves >> 16));
  }
  return sum;
}

#endif

/* x + 128 of a row, at the end of whole words of weights; what is left of the last word is 0, as are the words in front. */
static void take_row(const eb_dense_w1a8_layer *layer, const int8_t *input, uint32_t *row, int32_t words) {
  const int32_t used = (layer->depth + 3) >> 2;
  int32_t left = layer->depth;
  for (int32_t i = 8 * words - used; i > 0; i--) {
    *row++ = 0;
    ROLLED(i);
  }
  for (; left >= 4; left -= 4, input += 4) {
    *row++ = ((const quad *)(const void *)input)->value ^ 0x80808080u;
    ROLLED(left);
  }
  if (left == 0) return;
  uint32_t last = 0;
  for (int32_t i = left - 1; i >= 0; i--) last = last << 8 | ((uint32_t)(uint8_t)input[i] ^ 0x80u);
  *row = last;
}

void eb_dense_w1a8_bytes(const eb_dense_w1a8_layer *layer, const int8_t *input, int8_t *output, void *scratch) {
  const int32_t words = (layer->depth + 31) >> 5;
  for (int32_t row = 0; row < layer->rows; row++, input += layer->depth) {
    take_row(layer, input, scratch, words);
    for (int32_t channel = 0; channel < layer->outputs; channel++) {
      const int32_t sum = sum_of(scratch, layer->weights + channel * words, words);
      *output++ = eb_dense_w1a8_output(layer, channel, sum);
    }
  }
}

#endif
