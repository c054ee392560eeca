/* Depthwise W1A8 convolution, four channels at a time: with m = 0x80 in a byte for a weight of +1 and 0x7f for -1, x XOR m is
 * x + 128 or 127 - x, unsigned. The bytes are added in halves of words, which hold the sums of 257 taps. */
#include "gather_w1a8.h"
#include "outputs_w1a8.h"

#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'

#include "dsp.h"

typedef uint32_t __attribute__((may_alias)) quad;

/* Keeps a compiler from unrolling a loop. */
#define ROLLED(counter) __asm__("" : "+r"(counter))

/* Adds bytes 0 and 2 to the halves of a word. */
static inline uint32_t add_even(uint32_t halves, uint32_t bytes) {
#if EB_HAS_DSP
  __asm__("uxtab16 %0, %0, %1" : "+r"(halves) : "r"(bytes));
  return halves;
#else
  return halves + (bytes & 0x00ff00ffu);
#endif
}

/* Adds bytes 1 and 3. */
static inline uint32_t add_odd(uint32_t halves, uint32_t bytes) {
#if EB_HAS_DSP
  __asm__("uxtab16 %0, %0, %1, ror #8" : "+r"(halves) : "r"(bytes));
  return halves;
#else
  return halves + (bytes >> 8 & 0x00ff00ffu);
#endif
}

/* What the taps of four channels are XORed with: [channels / 4][taps]. */
static void expand(const eb_conv_w1a8_sums *layer, uint32_t *masks, int32_t taps) {
  const uint32_t *words = layer->weights;
  for (int32_t q = layer->groups; q > 0; q -= 4) {
    uint32_t signs = 0;
    for (int32_t tap = 0; tap < taps; tap++) {
      signs = (tap & 7) == 0 ? *words++ : signs >> 1;
      *masks++ = 0x80808080u - (signs & 0x01010101u);
    }
  }
}

/* Where the taps of a pixel begin; those in the padding lie at `zeros`. */
static void find_taps(const eb_conv_w1a8_sums *layer, const quad **taps, const int8_t *image, int32_t y, int32_t x,
                      const quad *zeros) {
  const eb_geometry *g = &layer->geometry;
  const int32_t right = x + g->filter_width * g->dilation_width;
  for (int32_t r = g->filter_height; r > 0; r--, y += g->dilation_height) {
    const int inside = y >= 0 && y < g->input_height;
    const int8_t *row = image + y * g->input_width * layer->groups;
    for (int32_t column = x; column < right; column += g->dilation_width) {
      const int8_t *from = row + column * layer->groups;
      *taps++ = inside && column >= 0 && column < g->input_width ? (const quad *)(const void *)from : zeros;
      ROLLED(column);
    }
  }
}

/* Sums of four channels of a pixel: 0 and 2, 1 and 3. */
typedef struct halves {
  uint32_t even, odd;
} halves;

static inline halves add_tap(halves sums, const quad *tap, int32_t channel, uint32_t mask) {
  const uint32_t bytes = *(const quad *)(const void *)((const char *)tap + channel) ^ mask;
  const halves added = {add_even(sums.even, bytes), add_odd(sums.odd, bytes)};
  return added;
}

/* Three taps in a round. */
static inline halves sum_taps(const quad *const *taps, int32_t count, int32_t channel, const uint32_t *masks) {
  halves sums = {0, 0};
  for (; count >= 3; count -= 3, taps += 3, masks += 3) {
    sums = add_tap(sums, taps[0], channel, masks[0]);
    sums = add_tap(sums, taps[1], channel, masks[1]);
    sums = add_tap(sums, taps[2], channel, masks[2]);
    ROLLED(count);
  }
  for (; count > 0; count--) {
    sums = add_tap(sums, *taps++, channel, *masks++);
    ROLLED(count);
  }
  return sums;
}

static inline int8_t output_of(const eb_conv_w1a8_sums *layer, int32_t channel, uint32_t sum, int32_t twice_zero) {
  const int32_t *scale = layer->scales + 3 * channel;
  if (scale[2] >> 8 == 0) return eb_w1a8_general(layer, channel, (int32_t)sum);
  return eb_w1a8_short(scale, (int32_t)sum, (int32_t)((uint32_t)twice_zero << (scale[2] & 0xff)) >> 1);
}

/* All channels of a pixel. */
static void take_pixel(const eb_conv_w1a8_sums *layer, const quad *const *taps, int32_t count, const uint32_t *masks,
                       int8_t *output) {
  const int32_t twice_zero = 2 * layer->output_zero_point + 1, channels = layer->groups;
  for (int32_t channel = 0; channel < channels; channel += 4, output += 4, masks += count) {
    const halves sums = sum_taps(taps, count, channel, masks);
    output[0] = output_of(layer, channel, sums.even & 0xffff, twice_zero);
    output[1] = output_of(layer, channel + 1, sums.odd & 0xffff, twice_zero);
    output[2] = output_of(layer, channel + 2, sums.even >> 16, twice_zero);
    output[3] = output_of(layer, channel + 3, sums.odd >> 16, twice_zero);
  }
}

void eb_depthwise_w1a8_bytes(const eb_conv_w1a8_sums *layer, const int8_t *input, int8_t *output, void *scratch) {
  const int32_t count = layer->geometry.filter_height * layer->geometry.filter_width, channels = layer->groups;
  const quad **taps = scratch;
  uint32_t *masks = (uint32_t *)(void *)(taps + count), *zeros = masks + count * channels / 4;
  eb_w1a8_place place = eb_w1a8_start(layer, input).next;
  expand(layer, masks, count);
  for (int32_t i = 0; i < channels / 4; i++) zeros[i] = layer->zeros ^ 0x80808080u;
  for (; place.images > 0; output += channels) {
    find_taps(layer, taps, place.image, place.y, place.x, zeros);
    take_pixel(layer, taps, count, masks, output);
    eb_w1a8_advance(layer, &place, 1);
  }
}

#endif
