#include "conv_binary_add.h"

#include "naked.h"

#if defined(__thumb2__)

/* All registers are taken: r0 to r4 the five lowest bits of the counters, r5 the table, r6 a word of weights, r7 what is
 * computed between, r8 to lr sums from the table and carries. On the stack: the counter, its weights, the carry of the first
 * word; the end of all counters, the bytes of a counter, the bytes between weights. */

#define SUM(n, low, high)                    \
  "ubfx " high ", r6, #(3 * " #n "), #3\n" \
  "add " high ", r5, " high ", lsl #3\n" \
  "ldrd " low ", " high ", [" high ", #(64 * " #n ")]\n"

/* The sums of ten triples; the carry, of weight 32, in r9. */
#define ADD_WORD                                                                                      \
  SUM(0, "r8", "r9") SUM(1, "r10", "r11")                                                             \
  FULL_ADD("r0", "r8", "r10")                                      /* twos in r8 */                   \
  FULL_ADD("r1", "r9", "r11")                                      /* fours in r9 */                  \
  SUM(2, "r10", "r11")                                                                                \
  FULL_ADD("r1", "r8", "r11") FULL_ADD("r2", "r9", "r8")           /* eights in r9 */                 \
  SUM(3, "r8", "r11")                                                                                 \
  FULL_ADD("r0", "r10", "r8") FULL_ADD("r1", "r10", "r11")         /* fours in r10 */                 \
  SUM(4, "r8", "r11") SUM(5, "r12", "lr")                                                             \
  FULL_ADD("r0", "r8", "r12") FULL_ADD("r1", "r11", "lr")          /* twos in r8, fours in r11 */     \
  FULL_ADD("r2", "r10", "r11") FULL_ADD("r3", "r9", "r10")         /* sixteens in r9 */               \
  SUM(6, "r10", "r11")                                                                                \
  FULL_ADD("r1", "r8", "r11")                                      /* fours in r8 */                  \
  SUM(7, "r11", "r12")                                                                                \
  FULL_ADD("r0", "r10", "r11") FULL_ADD("r1", "r12", "r10")        /* fours in r12 */                 \
  FULL_ADD("r2", "r8", "r12")                                      /* eights in r8 */                 \
  SUM(8, "r10", "r11") SUM(9, "r12", "lr")                                                            \
  FULL_ADD("r0", "r10", "r12") FULL_ADD("r1", "r11", "lr") HALF_ADD("r1", "r10", "r12")               \
  FULL_ADD("r2", "r11", "r12") FULL_ADD("r3", "r8", "r11") FULL_ADD("r4", "r9", "r8")

/* A function has several statements of assembler, as compilers need not take longer strings. */

#define START_CHANNELS             \
  "push {r4-r11, lr}\n" \
  "sub sp, sp, #28\n" \
  "ldm r0, {r2, r3, r4, r6, r7}\n" \
  "lsl r3, r3, #2\n" \
  "lsl r7, r7, #2\n" \
  "mla r4, r4, r3, r2\n" \
  "mov r5, r1\n" \
  "strd r2, r6, [sp]\n" \
  "str r4, [sp, #12]\n" \
  "strd r3, r7, [sp, #16]\n" \
  "1:\n"

#define FIRST_WORD       \
  "ldrd r8, r9, [sp]\n" \
  "ldm r8, {r0-r4}\n" \
  "ldr r6, [r9]\n" ADD_WORD

#define SECOND_WORD        \
  "str r9, [sp, #8]\n" \
  "ldr r8, [sp, #4]\n" \
  "ldr r6, [r8, #4]\n" \
  "add r5, r5, #640\n" ADD_WORD

/* r8: the counter's bits from 5 on, r12: the next channel's counter. */
#define START_UPPER_BITS   \
  "ldr r8, [sp]\n" \
  "ldr r12, [sp, #16]\n" \
  "add r12, r8, r12\n" \
  "stm r8!, {r0-r4}\n" \
  "ldm r8, {r0-r4, r6}\n"

/* The carry of bit 5 is in r9; then the next channel, if there is one. */
#define UPPER_BITS                                                                    \
  HALF_ADD("r1", "r9", "r10") HALF_ADD("r2", "r10", "r9") HALF_ADD("r3", "r9", "r10") \
  HALF_ADD("r4", "r10", "r9") HALF_ADD("r6", "r9", "r10")                             \
  "stm r8!, {r0-r4, r6}\n"                                                       \
  "cmp r8, r12\n"                                                       \
  "beq 3f\n"                                                       \
  "2:\n" /* bits from 11 on */                                 \
  "ldr r0, [r8]\n"                                                       \
  "and r9, r0, r10\n"                                                       \
  "eor r0, r0, r10\n"                                                       \
  "str r0, [r8], #4\n"                                                       \
  "mov r10, r9\n"                                                       \
  "cmp r8, r12\n"                                                       \
  "bne 2b\n"                                                       \
  "3:\n"                                                       \
  "ldr r9, [sp, #4]\n"                                                       \
  "ldrd r10, r11, [sp, #16]\n"                                                       \
  "add r9, r9, r11\n"                                                       \
  "strd r8, r9, [sp]\n"                                                       \
  "ldr r9, [sp, #12]\n"                                                       \
  "cmp r8, r9\n"                                                       \
  "bne.w 1b\n"                                                       \
  "add sp, sp, #28\n"                                                       \
  "pop {r4-r11, pc}\n"

EB_NAKED_FUNCTION void eb_binary_add_one(const eb_binary_counters *c EB_UNUSED, eb_pair (*table)[8] EB_UNUSED) {
  __asm__(START_CHANNELS FIRST_WORD);
  __asm__(START_UPPER_BITS HALF_ADD("r0", "r9", "r10") "mov r9, r10\n" UPPER_BITS);
}

EB_NAKED_FUNCTION void eb_binary_add_two(const eb_binary_counters *c EB_UNUSED, eb_pair (*table)[8] EB_UNUSED) {
  __asm__(START_CHANNELS FIRST_WORD);
  __asm__(SECOND_WORD);
  __asm__("sub r5, r5, #640 \n ldr r10, [sp, #8]\n" START_UPPER_BITS FULL_ADD("r0", "r9", "r10") UPPER_BITS);
}

#elif defined(__thumb__)

/* With the instructions of ARMv6-M, which have two operands, most of them in r0 to r7: r0 is a word of weights, r1 the table, r2
 * and r3 the lowest bits of the counters, r8 to r10 the next ones; r4 to r7 are sums from the table and carries, which r11 and
 * r12 put away. On the stack as above, and the table. */

/* The sum of three planes, that the next bits of the weights choose. SHIFT: brings them to bits 3 to 5. */
#define SUM(SHIFT, low, high)              \
  SHIFT "movs " low ", #56\n"              \
  "ands " low ", r0\n" LOAD_SUM(low, high)
#define LOAD_SUM(low, high)                \
  "adds " low ", r1\n"                     \
  "adds r1, #64\n"                         \
  "ldm " low ", {" low ", " high "}\n"
#define NEXT "lsrs r0, r0, #3\n"

/* The carry, of weight 32, in r5; the table moves on. */
#define ADD_WORD                                                                           \
  "movs r4, #7\n"                                                                          \
  "ands r4, r0\n"                                                                          \
  "lsls r4, r4, #3\n" LOAD_SUM("r4", "r5") SUM("", "r6", "r7")                             \
  FULL_ADD("r2", "r4", "r6")             /* twos in r4 */                                  \
  FULL_ADD("r3", "r5", "r7")             /* fours in r5 */                                 \
  SUM(NEXT, "r6", "r7")                                                                    \
  FULL_ADD("r3", "r4", "r7")             /* fours in r4 */                                 \
  UPPER_ADD("r8", "r5", "r4", "r7")      /* eights in r5 */                                \
  "mov r11, r5\n" SUM(NEXT, "r4", "r5")                                                    \
  FULL_ADD("r2", "r6", "r4")             /* twos in r6 */                                  \
  FULL_ADD("r3", "r6", "r5")             /* fours in r6 */                                 \
  "mov r12, r6\n" SUM(NEXT, "r4", "r5") SUM(NEXT, "r6", "r7")                              \
  FULL_ADD("r2", "r4", "r6")             /* twos in r4 */                                  \
  FULL_ADD("r3", "r5", "r7")             /* fours in r5 */                                 \
  "mov r6, r12\n" UPPER_ADD("r8", "r6", "r5", "r7") /* eights in r6 */                     \
  "mov r5, r11\n" UPPER_ADD("r9", "r5", "r6", "r7") /* sixteens in r5 */                   \
  "mov r11, r5\n" SUM(NEXT, "r6", "r7")                                                    \
  FULL_ADD("r3", "r4", "r7")             /* fours in r4 */                                 \
  SUM(NEXT, "r5", "r7")                                                                    \
  FULL_ADD("r2", "r6", "r5")             /* twos in r6 */                                  \
  FULL_ADD("r3", "r7", "r6")             /* fours in r7 */                                 \
  UPPER_ADD("r8", "r4", "r7", "r5")      /* eights in r4 */                                \
  "mov r12, r4\n" SUM(NEXT, "r4", "r5") SUM(NEXT, "r6", "r7")                              \
  FULL_ADD("r2", "r4", "r6")             /* twos in r4 */                                  \
  FULL_ADD("r3", "r5", "r7")             /* fours in r5 */                                 \
  HALF_ADD("r3", "r4")                   /* fours in r4 */                                 \
  UPPER_ADD("r8", "r5", "r4", "r7")      /* eights in r5 */                                \
  "mov r4, r12\n" UPPER_ADD("r9", "r4", "r5", "r7") /* sixteens in r4 */                   \
  "mov r5, r11\n" UPPER_ADD("r10", "r5", "r4", "r7")

#define START_CHANNELS                \
  UNIFIED                             \
  "push {r4-r7, lr}\n"                \
  "mov r4, r8\n"                      \
  "mov r5, r9\n"                      \
  "mov r6, r10\n"                     \
  "mov r7, r11\n"                     \
  "push {r4-r7}\n"                    \
  "sub sp, #28\n"                     \
  "str r1, [sp, #24]\n"               \
  "ldm r0!, {r2, r3, r4, r5, r6}\n"   \
  "lsls r3, r3, #2\n"                 \
  "lsls r6, r6, #2\n"                 \
  "muls r4, r3, r4\n"                 \
  "adds r4, r4, r2\n"                 \
  "str r2, [sp]\n"                    \
  "str r5, [sp, #4]\n"                \
  "str r4, [sp, #12]\n"               \
  "str r3, [sp, #16]\n"               \
  "str r6, [sp, #20]\n"               \
  "1:\n"

#define FIRST_WORD                    \
  "ldr r7, [sp]\n"                    \
  "ldr r1, [sp, #24]\n"               \
  "ldm r7!, {r2, r3, r4, r5, r6}\n"   \
  "mov r8, r4\n"                      \
  "mov r9, r5\n"                      \
  "mov r10, r6\n"                     \
  "ldr r0, [sp, #4]\n"                \
  "ldr r0, [r0]\n" ADD_WORD

#define SECOND_WORD                   \
  UNIFIED                             \
  "str r5, [sp, #8]\n"                \
  "ldr r0, [sp, #4]\n"                \
  "ldr r0, [r0, #4]\n" ADD_WORD

/* The carry in r1, r2 to r6: bits 5 to 9. */
#define START_UPPER_BITS              \
  UNIFIED                             \
  "mov r1, r5\n"                      \
  "ldr r7, [sp]\n"                    \
  "mov r4, r8\n"                      \
  "mov r5, r9\n"                      \
  "mov r6, r10\n"                     \
  "stm r7!, {r2, r3, r4, r5, r6}\n"   \
  "ldm r7!, {r2, r3, r4, r5, r6}\n"

#define UPPER_BITS                                                                         \
  HALF_ADD("r3", "r1") HALF_ADD("r4", "r1") HALF_ADD("r5", "r1") HALF_ADD("r6", "r1")      \
  "subs r7, #20\n"                                                                         \
  "stm r7!, {r2, r3, r4, r5, r6}\n"                                                        \
  "ldr r0, [sp]\n"                                                                         \
  "ldr r2, [sp, #16]\n"                                                                    \
  "adds r0, r0, r2\n" /* the next channel's counter */                                     \
  "2:\n"              /* bits from 10 on */                                                \
  "ldr r2, [r7]\n" HALF_ADD("r2", "r1")                                                    \
  "stm r7!, {r2}\n"                                                                        \
  "cmp r7, r0\n"                                                                           \
  "bne 2b\n"                                                                               \
  "ldr r2, [sp, #4]\n"                                                                     \
  "ldr r3, [sp, #20]\n"                                                                    \
  "adds r2, r2, r3\n"                                                                      \
  "str r2, [sp, #4]\n"                                                                     \
  "str r0, [sp]\n"                                                                         \
  "ldr r3, [sp, #12]\n"                                                                    \
  "cmp r0, r3\n"                                                                           \
  "beq 3f\n"                                                                               \
  "b 1b\n"                                                                                 \
  "3:\n"                                                                                   \
  "add sp, #28\n"                                                                          \
  "pop {r4-r7}\n"                                                                          \
  "mov r8, r4\n"                                                                           \
  "mov r9, r5\n"                                                                           \
  "mov r10, r6\n"                                                                          \
  "mov r11, r7\n"                                                                          \
  "pop {r4-r7, pc}\n"

EB_NAKED_FUNCTION void eb_binary_add_one(const eb_binary_counters *c EB_UNUSED, eb_pair (*table)[8] EB_UNUSED) {
  __asm__(START_CHANNELS FIRST_WORD);
  __asm__(START_UPPER_BITS HALF_ADD("r2", "r1") UPPER_BITS);
}

EB_NAKED_FUNCTION void eb_binary_add_two(const eb_binary_counters *c EB_UNUSED, eb_pair (*table)[8] EB_UNUSED) {
  __asm__(START_CHANNELS FIRST_WORD);
  __asm__(SECOND_WORD);
  __asm__(START_UPPER_BITS "ldr r0, [sp, #8]\n" FULL_ADD("r2", "r1", "r0") UPPER_BITS);
}

#else

#define SUM(n) table[n][w >> (3 * (n)) & 7]

/* Adds the sums of ten triples, chosen by the bits of w, to the five lowest bits of the counters; the carry, of weight 32. */
EB_SLICES_INLINE uint32_t add_word(uint32_t s[5], eb_pair (*table)[8], uint32_t w) {
  uint32_t carry;
  EB_ADD_TEN(s, SUM, carry);
  return carry;
}

void eb_binary_add_one(const eb_binary_counters *c, eb_pair (*table)[8]) {
  const uint32_t *w = c->weights, *const end = c->first + c->channels * c->planes;
  for (uint32_t *s = c->first; s != end; s += c->planes, w += c->stride) {
    uint32_t low[5] = {s[0], s[1], s[2], s[3], s[4]};
    uint32_t carry = add_word(low, table, w[0]);
    s[0] = low[0], s[1] = low[1], s[2] = low[2], s[3] = low[3], s[4] = low[4];
    EB_ROLLED for (int32_t i = 5; i < c->planes; i++) carry = eb_half_add(&s[i], carry);
  }
}

void eb_binary_add_two(const eb_binary_counters *c, eb_pair (*table)[8]) {
  const uint32_t *w = c->weights, *const end = c->first + c->channels * c->planes;
  for (uint32_t *s = c->first; s != end; s += c->planes, w += c->stride) {
    uint32_t low[5] = {s[0], s[1], s[2], s[3], s[4]};
    const uint32_t carry0 = add_word(low, table, w[0]), carry1 = add_word(low, table + EB_WORD_PLANES / 3, w[1]);
    s[0] = low[0], s[1] = low[1], s[2] = low[2], s[3] = low[3], s[4] = low[4];
    uint32_t carry = eb_full_add(&s[5], carry0, carry1);
    for (int32_t i = 6; i < EB_LEAST_PLANES; i++) carry = eb_half_add(&s[i], carry);
    EB_ROLLED for (int32_t i = EB_LEAST_PLANES; i < c->planes; i++) carry = eb_half_add(&s[i], carry);
  }
}

#endif
