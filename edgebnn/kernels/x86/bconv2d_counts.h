/* What tables of look-ups are made of: how many bits differ between four bits of a pixel, n, and each number below 16. */
#ifndef EDGEBNN_BCONV2D_COUNTS_H
#define EDGEBNN_BCONV2D_COUNTS_H

/* popcount of a number below 16 */
#define EB_BITS(n) ((0x4332322132212110u >> 4 * (n)) & 15)
#define EB_COUNTS(n)                                                                                                \
  EB_BITS((n) ^ 0), EB_BITS((n) ^ 1), EB_BITS((n) ^ 2), EB_BITS((n) ^ 3), EB_BITS((n) ^ 4), EB_BITS((n) ^ 5),       \
      EB_BITS((n) ^ 6), EB_BITS((n) ^ 7), EB_BITS((n) ^ 8), EB_BITS((n) ^ 9), EB_BITS((n) ^ 10), EB_BITS((n) ^ 11), \
      EB_BITS((n) ^ 12), EB_BITS((n) ^ 13), EB_BITS((n) ^ 14), EB_BITS((n) ^ 15)

#endif
