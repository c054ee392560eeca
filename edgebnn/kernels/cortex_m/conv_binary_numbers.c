#include "conv_binary_numbers.h"

static void transpose_bytes(uint32_t words[8]) { eb_transpose_bytes(words); }

/* Of eight bits at a time those of a pixel are brought together in a byte. */
void eb_binary_read_counters(const uint32_t *counters, int32_t planes, int32_t x[EB_LANES]) {
  uint32_t low[8], high[8];
  for (int32_t i = 0; i < 8; i++) low[i] = counters[i];
  for (int32_t i = 0; i < 3; i++) high[i] = counters[8 + i];
  for (int32_t i = 3; i < 8; i++) high[i] = 0;
  transpose_bytes(low);
  transpose_bytes(high);
  EB_ROLLED for (int32_t i = 0; i < 8; i++) {
    for (int32_t k = 0; k < 4; k++) x[i + 8 * k] = (int32_t)((low[i] >> 8 * k & 255) << 1 | (high[i] >> 8 * k & 255) << 9);
  }
  EB_ROLLED for (int32_t k = EB_LEAST_PLANES; k < planes; k++) {
    EB_ROLLED for (int32_t lane = 0; lane < EB_LANES; lane++) x[lane] |= (int32_t)((counters[k] >> lane & 1) << (k + 1));
  }
}
