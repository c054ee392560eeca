/* W1A8 convolution on AArch64: four pixels at a time look 16 channels up in 16 inputs each. */
#include "w1a8_block.h"

#if defined(__aarch64__)
#include "w1a8_neon.h"

enum { PIXEL_TILE = 4 };

void eb_w1a8_neon64_stage(const int8_t *input, int32_t inputs, void *tables) {
  eb_w1a8_neon_stage(input, inputs, tables);
}

void eb_w1a8_neon64(const eb_w1a8_block *b) { eb_w1a8_neon_run(b, PIXEL_TILE); }
#endif
