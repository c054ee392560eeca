/* Comparisons of 16 bytes into bits, in vectors of any instruction set. */
#ifndef EDGEBNN_BYTE_MASKS_H
#define EDGEBNN_BYTE_MASKS_H

#include <stdint.h>
#include <string.h>

typedef int8_t eb_bytes16 __attribute__((vector_size(16)));

/* Of 16 bytes, each 0 or -1, bit 0 to 15 of the result. */
static inline __attribute__((always_inline)) uint32_t eb_gather_bits(eb_bytes16 mask) {
  const eb_bytes16 lane_bit = {1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128};
  uint64_t half[2];
  mask &= lane_bit;
  memcpy(half, &mask, 16);
  const uint64_t ones = 0x0101010101010101u; /* the product's top byte is the sum of all bytes, here their union */
  return (uint32_t)((half[0] * ones >> 56) | (half[1] * ones >> 56 << 8));
}

#endif
