/* W1A8 convolution on ARMv7 with NEON: one pixel at a time, which is what sixteen 128-bit registers hold, looks 16
 * channels up in 16 inputs.
 */
#include "../core/w1a8_block.h"

#if defined(__ARM_NEON) && !defined(__aarch64__)
#include "w1a8_neon.h"

void eb_w1a8_neon32_stage(const eb_w1a8_pixels *pixels) { eb_w1a8_stage_each(pixels, eb_w1a8_neon_stage); }

static void run_row(const eb_w1a8_block *b) {
  eb_w1a8_neon_run_ones(b, 0);
}

void eb_w1a8_neon32(const eb_w1a8_block *b) {
  eb_require_w1a8_block(b, EB_W1A8_NEON_TILE, EB_W1A8_NEON_TABLE);
  eb_w1a8_each_row(b, run_row);
}

void eb_w1a8_neon32_depthwise(const eb_w1a8_depthwise *d) { eb_depthwise_run(d, eb_w1a8_neon_write_channels); }
#endif
