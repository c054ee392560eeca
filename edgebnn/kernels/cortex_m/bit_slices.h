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
#if defined(__ARM_ARCH_6M__)
  return a ^ (u & (a ^ c)); /* as many instructions, but fewer copies where results replace operands */
#else
  return (a & b) | (u & c);
#endif
}

/* sum += b; the carry. */
EB_SLICES_INLINE uint32_t eb_half_add(uint32_t *sum, uint32_t b) {
  const uint32_t carry = *sum & b;
  *sum ^= b;
  return carry;
}

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
