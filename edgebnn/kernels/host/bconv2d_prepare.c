/* Binary convolution, once per filter: weights into the order in which they are read, constants per output channel. */
#include "bconv2d.h"

static void pack_weights(const eb_bconv2d_plan *plan, const uint32_t *filter, unsigned char *weights) {
  const int32_t tile = plan->kernel->channel_tile;
  for (int32_t group = 0; group < plan->op.groups; group++) {
    const uint32_t *group_filter = filter + (size_t)group * (size_t)plan->group_channels * (size_t)plan->words;
    for (int32_t first = 0; first < plan->group_channels; first += tile, weights += eb_block_bytes(plan)) {
      const int32_t left = plan->group_channels - first;
      plan->kernel->pack(group_filter + (size_t)first * (size_t)plan->words, (size_t)plan->words,
                         (size_t)plan->window_words, left < tile ? left : tile, weights);
    }
  }
}

/* Both are computed in double precision and rounded once: float(-multiplier / scale), and
 * float((bias + K * multiplier) / scale + zero_point). */
static void derive_affine(const eb_bconv2d *op, const float *restrict multiplier, const float *restrict bias,
                          float *restrict constants) {
  const int is_int8 = op->output_type == EB_INT8;
  const double scale = is_int8 ? (double)op->output_scale : 1.0;
  const double zero_point = is_int8 ? (double)op->output_zero_point : 0.0;
  const double k = (double)(op->window.filter_height * op->window.filter_width * (op->channels_in / op->groups));
  for (int32_t c = 0; c < op->channels_out; c++) {
    const double m = (double)multiplier[c];
    constants[c] = (float)(-m / scale);
    constants[op->channels_out + c] = (float)(((double)bias[c] + k * m) / scale + zero_point);
  }
}

/* Doubled, as the output transform compares with 2 * accum, which is never negative; saturated. */
static void double_thresholds(const int32_t *restrict threshold, int32_t channels, int32_t *restrict doubled) {
  for (int32_t c = 0; c < channels; c++) {
    const int32_t t = threshold[c];
    doubled[c] = t > INT32_MAX / 2 ? INT32_MAX : t < 0 ? -1 : 2 * t;
  }
}

static int32_t popcount(uint32_t x) {
  x -= (x >> 1) & 0x55555555u;
  x = (x & 0x33333333u) + ((x >> 2) & 0x33333333u);
  x = (x + (x >> 4)) & 0x0f0f0f0fu;
  return (int32_t)((x * 0x01010101u) >> 24);
}

/* [taps][channels_out]: the sum of the filter's +1 and -1 at a tap, which is what a tap in the padding, computed as if
 * the input were +1, has added to the dot product. */
static void sum_taps(const eb_bconv2d_plan *plan, const uint32_t *restrict filter, int32_t *restrict tap_sums) {
  const int32_t taps = plan->words / plan->group_words;
  const int32_t group_inputs = plan->op.channels_in / plan->op.groups;
  for (int32_t c = 0; c < plan->op.channels_out; c++) {
    for (int32_t tap = 0; tap < taps; tap++) {
      int32_t minus_ones = 0;
      for (int32_t word = 0; word < plan->group_words; word++) minus_ones += popcount(*filter++);
      tap_sums[(size_t)tap * plan->op.channels_out + c] = group_inputs - 2 * minus_ones;
    }
  }
}

void eb_bconv2d_prepare(const eb_bconv2d_plan *plan, const int32_t *filter, const float *multiplier, const float *bias,
                        const int32_t *threshold, void *persistent) {
  EB_REQUIRE(eb_is_aligned(persistent) && filter != NULL);
  EB_REQUIRE(plan->op.output_type == EB_PACKED ? threshold != NULL : multiplier != NULL && bias != NULL);
  unsigned char *memory = persistent;
  const uint32_t *words = (const uint32_t *)filter;
  pack_weights(plan, words, memory);
  void *constants = memory + plan->constants_offset;
  if (plan->op.output_type == EB_PACKED) {
    double_thresholds(threshold, plan->op.channels_out, constants);
  } else {
    derive_affine(&plan->op, multiplier, bias, constants);
  }
  if (eb_pads_with_zeros(&plan->op)) sum_taps(plan, words, (int32_t *)(void *)(memory + plan->tap_sums_offset));
}
