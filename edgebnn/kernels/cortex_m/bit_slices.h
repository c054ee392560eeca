/* Adders of bits that lie side by side in words, and the transposition between both ways to lay them out. */
#ifndef EDGEBNN_BIT_SLICES_H
#define EDGEBNN_BIT_SLICES_H

#include <stdint.h>

#define EB_SLICES_INLINE static inline __attribute__((always_inline))

/* In front of loops that are run seldom: unrolled they would take flash and save nothing to speak of. */
#if defined(__clang__)
#define EB_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define EB_ROLLED
#endif

/* sum += b + c; the carry. */
EB_SLICES_INLINE uint32_t eb_full_add(uint32_t *sum, uint32_t b, uint32_t c) {
  const uint32_t a = *sum, u = a ^ b;
  *sum = u ^ c;
  return (a & b) | (u & c);
}

/* sum += b; the carry. */
EB_SLICES_INLINE uint32_t eb_half_add(uint32_t *sum, uint32_t b) {
  const uint32_t carry = *sum & b;
  *sum ^= b;
  return carry;
}

/* Two bits of 32 counters. */
typedef struct eb_pair {
  uint32_t low, high;
} eb_pair;

/* s[0] to s[4] += the pairs SUM(0) to SUM(9), computed where they are needed; the carry, of weight 32. Words of the same weight
 * are added three at a time as soon as they are there, so that few are waiting. */
#define EB_ADD_TEN(s, SUM, carry)                                                                                     \
  do {                                                                                                                \
    const eb_pair p0 = SUM(0), p1 = SUM(1);                                                                           \
    const uint32_t twos0 = eb_full_add(&s[0], p0.low, p1.low), fours0 = eb_full_add(&s[1], p0.high, p1.high);         \
    const eb_pair p2 = SUM(2);                                                                                        \
    const uint32_t fours1 = eb_full_add(&s[1], twos0, p2.high), eights0 = eb_full_add(&s[2], fours0, fours1);         \
    const eb_pair p3 = SUM(3);                                                                                        \
    const uint32_t twos1 = eb_full_add(&s[0], p2.low, p3.low), fours2 = eb_full_add(&s[1], p3.high, twos1);           \
    const eb_pair p4 = SUM(4), p5 = SUM(5);                                                                           \
    const uint32_t twos2 = eb_full_add(&s[0], p4.low, p5.low), fours3 = eb_full_add(&s[1], p4.high, p5.high);         \
    const uint32_t eights1 = eb_full_add(&s[2], fours2, fours3), sixteens0 = eb_full_add(&s[3], eights0, eights1);    \
    const eb_pair p6 = SUM(6);                                                                                        \
    const uint32_t fours4 = eb_full_add(&s[1], twos2, p6.high);                                                       \
    const eb_pair p7 = SUM(7);                                                                                        \
    const uint32_t twos3 = eb_full_add(&s[0], p6.low, p7.low), fours5 = eb_full_add(&s[1], p7.high, twos3);           \
    const uint32_t eights2 = eb_full_add(&s[2], fours4, fours5);                                                      \
    const eb_pair p8 = SUM(8), p9 = SUM(9);                                                                           \
    const uint32_t twos4 = eb_full_add(&s[0], p8.low, p9.low), fours6 = eb_full_add(&s[1], p8.high, p9.high);         \
    const uint32_t fours7 = eb_half_add(&s[1], twos4), eights3 = eb_full_add(&s[2], fours6, fours7);                  \
    const uint32_t sixteens1 = eb_full_add(&s[3], eights2, eights3);                                                  \
    carry = eb_full_add(&s[4], sixteens0, sixteens1);                                                                 \
  } while (0)

#if defined(__thumb2__)

/* The same in assembler, of registers; r7 is what is computed between. */

/* s += b + c; the carry replaces b. */
#define FULL_ADD(s, b, c)          \
  "eor r7, " s ", " b "\n" \
  "and " b ", " b ", " s "\n" \
  "eor " s ", r7, " c "\n" \
  "and r7, r7, " c "\n" \
  "orr " b ", " b ", r7\n"

/* s += b; the carry in `carry`. */
#define HALF_ADD(s, b, carry)      \
  "and " carry ", " s ", " b "\n" \
  "eor " s ", " s ", " b "\n"

#elif defined(__thumb__)

/* The same with the instructions of ARMv6-M, which have two operands. */

#define UNIFIED ".syntax unified\n"

/* s += b + c; the carry replaces b, c is lost. With u = s ^ b and v = s ^ c the sum is s ^ u ^ v, and the carry s ^ (u & v), which
 * is the sum ^ (u | v). */
#define FULL_ADD(s, b, c)      \
  "eors " b ", " s "\n"        \
  "eors " c ", " s "\n"        \
  "eors " s ", " b "\n"        \
  "eors " s ", " c "\n"        \
  "orrs " b ", " c "\n"        \
  "eors " b ", " s "\n"

/* s += b; the carry replaces b. */
#define HALF_ADD(s, b)         \
  "eors " s ", " b "\n"        \
  "bics " b ", " s "\n"

/* The same of s that is not one of r0 to r7, by way of one of them. */
#define UPPER_ADD(s, b, c, between) \
  "mov " between ", " s "\n" FULL_ADD(between, b, c) "mov " s ", " between "\n"

#endif

/* Exchanges the bits of a that `mask` selects after a shift with those of b that it selects. */
EB_SLICES_INLINE void eb_exchange(uint32_t *a, uint32_t *b, int shift, uint32_t mask) {
  const uint32_t changed = (*a >> shift ^ *b) & mask;
  *b ^= changed;
  *a ^= changed << shift;
}

/* Four squares of 8 x 8 bits side by side: bit i of byte k of word l becomes bit l of byte k of word i. */
EB_SLICES_INLINE void eb_transpose_bytes(uint32_t w[8]) {
  uint32_t a = w[0], b = w[1], c = w[2], d = w[3], e = w[4], f = w[5], g = w[6], h = w[7];
  eb_exchange(&a, &e, 4, 0x0f0f0f0f);
  eb_exchange(&b, &f, 4, 0x0f0f0f0f);
  eb_exchange(&c, &g, 4, 0x0f0f0f0f);
  eb_exchange(&d, &h, 4, 0x0f0f0f0f);
  eb_exchange(&a, &c, 2, 0x33333333);
  eb_exchange(&b, &d, 2, 0x33333333);
  eb_exchange(&e, &g, 2, 0x33333333);
  eb_exchange(&f, &h, 2, 0x33333333);
  eb_exchange(&a, &b, 1, 0x55555555);
  eb_exchange(&c, &d, 1, 0x55555555);
  eb_exchange(&e, &f, 1, 0x55555555);
  eb_exchange(&g, &h, 1, 0x55555555);
  w[0] = a, w[1] = b, w[2] = c, w[3] = d, w[4] = e, w[5] = f, w[6] = g, w[7] = h;
}

/* Bit c of word l becomes bit l of word c: quarters of the square of bits are exchanged, then quarters of the quarters. */
EB_SLICES_INLINE void eb_transpose(uint32_t words[32]) {
  EB_ROLLED for (uint32_t *w = words; w < words + 8; w++) {
    uint32_t a = w[0], b = w[8], c = w[16], d = w[24];
    eb_exchange(&a, &c, 16, 0x0000ffff);
    eb_exchange(&b, &d, 16, 0x0000ffff);
    eb_exchange(&a, &b, 8, 0x00ff00ff);
    eb_exchange(&c, &d, 8, 0x00ff00ff);
    w[0] = a, w[8] = b, w[16] = c, w[24] = d;
  }
  EB_ROLLED for (uint32_t *w = words; w < words + 32; w += 8) eb_transpose_bytes(w);
}

#endif
