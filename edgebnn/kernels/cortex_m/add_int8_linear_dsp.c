/* ADD and SUB of int8 by two multiply-accumulates an element. */
#include "add_int8.h"

#include "dsp.h"

#if EB_HAS_DSP

/* Byte number `rotation` / 8 of both words, to a saturated sum. */
#define SUM(to, rotation)                         \
  "sxtb " to ", r6, ror #" rotation "         \n" \
  "sxtb r8, r12, ror #" rotation "            \n" \
  "mla " to ", " to ", %[a], %[c]             \n" \
  "mla " to ", r8, %[b], " to "               \n" \
  "asr " to ", " to ", %[shift]               \n" \
  "ssat " to ", #8, " to "                    \n"

/* count: a multiple of 4, not 0. */
static void words(const eb_add_int8_linear_layer *l, const int8_t *first, const int8_t *second, int8_t *output,
                  int32_t count) {
  const int8_t *end = output + count;
  __asm__ volatile(
      "1:                         \n"
      "ldr r6, [%[first]], #4     \n"
      "ldr r12, [%[second]], #4   \n"
      SUM("r3", "0")
      SUM("r4", "8")
      SUM("r5", "16")
      "bfi r3, r4, #8, #8         \n"
      SUM("r4", "24")
      "bfi r3, r5, #16, #8        \n"
      "bfi r3, r4, #24, #8        \n"
      "str r3, [%[output]], #4    \n"
      "cmp %[output], %[end]      \n"
      "bne 1b                     \n"
      : [first] "+r"(first), [second] "+r"(second), [output] "+r"(output)
      : [a] "r"(l->first_factor), [b] "r"(l->second_factor), [c] "r"(l->addend), [shift] "r"(l->shift), [end] "r"(end)
      : "r3", "r4", "r5", "r6", "r8", "r12", "cc", "memory");
}

void eb_add_int8_linear_dsp(const eb_add_int8_linear_layer *l, const int8_t *first, const int8_t *second,
                            int8_t *output) {
  const int32_t count = l->shape.axis[3 * (l->shape.axes - 1)], whole = count & ~3;
  eb_broadcast_run run = {0};
  do {
    const int8_t *x = first + run.first, *y = second + run.second;
    if (whole > 0) words(l, x, y, output, whole);
    for (int32_t i = whole; i < count; i++) {
      const int32_t sum = l->first_factor * x[i] + l->second_factor * y[i] + l->addend;
      output[i] = (int8_t)eb_saturate_int8(sum >> l->shift);
    }
    output += count;
  } while (eb_broadcast_next(&l->shape, &run));
}
#endif
