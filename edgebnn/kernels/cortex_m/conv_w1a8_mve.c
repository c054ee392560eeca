/* W1A8 convolution with vectors (Cortex-M55, M85).
 *
 * VABAV adds |x - m| over sixteen bytes to a sum: with m = 0 for a weight of +1 and 255 for -1 that is x or 255 - x, as
 * conv_w1a8.h adds them, sixteen multiply-accumulates an instruction. Sixteen signs are a predicate as they are, by which 255
 * is put into the lanes of -1; four pixels, whose words lie side by side, are taken apart as they are loaded and share it. */
#include "../core/bytes.h"
#include "gather_w1a8.h"
#include "outputs_w1a8.h"

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>

enum { BLOCK_WORDS = 4 }; /* of a pixel, that make a vector */

typedef uint16_t __attribute__((may_alias)) signs_of_sixteen;

/* The sums of four pixels for one filter. */
static void add(const uint32_t *windows, const signs_of_sixteen *signs, int32_t blocks, uint32_t *sums) {
  uint32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (int32_t i = 0; i < blocks; i++, windows += BLOCK_WORDS * EB_W1A8_PIXELS) {
    const uint32x4x4_t x = vld4q_u32(windows);
    const uint8x16_t mask = vdupq_m_n_u8(vdupq_n_u8(0), 255, signs[i]);
    s0 = vabavq_u8(s0, vreinterpretq_u8_u32(x.val[0]), mask);
    s1 = vabavq_u8(s1, vreinterpretq_u8_u32(x.val[1]), mask);
    s2 = vabavq_u8(s2, vreinterpretq_u8_u32(x.val[2]), mask);
    s3 = vabavq_u8(s3, vreinterpretq_u8_u32(x.val[3]), mask);
  }
  sums[0] = s0;
  sums[1] = s1;
  sums[2] = s2;
  sums[3] = s3;
}

static int8_t output_of(const eb_conv_w1a8_sums *layer, int32_t channel, int32_t sum) {
  const int32_t *scale = layer->scales + 3 * channel;
  if (scale[2] >> 8 == 0) return eb_w1a8_general(layer, channel, sum);
  const uint32_t zero_point = (uint32_t)(2 * layer->output_zero_point + 1) << (scale[2] & 0xff);
  return eb_w1a8_short(scale, sum, (int32_t)zero_point >> 1);
}

void eb_conv_w1a8_mve(const eb_conv_w1a8_sums *layer, const int8_t *input, int8_t *output, void *scratch) {
  const int32_t words = eb_w1a8_words(layer), blocks = (words + BLOCK_WORDS - 1) / BLOCK_WORDS;
  const int32_t channels = layer->groups * layer->filters, halves = (blocks + 1) / 2 * 2;
  uint32_t *windows = scratch;
  /* What the last vector has behind the window adds nothing, as its signs are +1. */
  memset(windows, 0, (size_t)(blocks * BLOCK_WORDS * EB_W1A8_PIXELS) * sizeof(uint32_t));
  eb_w1a8_walk walk = eb_w1a8_start(layer, input);
  for (int32_t count = eb_w1a8_next(&walk); count > 0; count = eb_w1a8_next(&walk)) {
    for (int32_t group = 0, channel = 0; group < layer->groups; group++) {
      eb_w1a8_gather(&walk, group, windows);
      for (int32_t filter = 0; filter < layer->filters; filter++, channel++) {
        uint32_t sums[EB_W1A8_PIXELS];
        add(windows, (const signs_of_sixteen *)layer->weights + channel * halves, blocks, sums);
        for (int32_t p = 0; p < count; p++) output[p * channels + channel] = output_of(layer, channel, (int32_t)sums[p]);
      }
    }
    output += count * channels;
  }
}

#endif
