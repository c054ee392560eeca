/* W1A8 convolution: weights put into the order in which kernels read them, and constants derived. Happens once. */
#include <stdbool.h>

#include "../core/w1a8_parts.h"

/* Bits [first, first + count) of a packed pixel of `inputs` signs; those past the last are 0. count <= 16. */
static uint32_t bits_of(const uint32_t *words, int32_t inputs, int32_t first, int32_t count) {
  uint32_t bits = 0;
  for (int32_t i = 0; i < count && first + i < inputs; i++) {
    bits |= (words[(first + i) / 32] >> (first + i) % 32 & 1u) << i;
  }
  return bits;
}

/* The index into table `t` of segment `s`, of the channel whose filter is [taps][words]. */
static uint32_t index_of(const eb_w1a8_plan *plan, const uint32_t *filter, int32_t s, int32_t t) {
  const int32_t taps_in_segment = plan->segment_tables / plan->tap_tables;
  const size_t tap = (size_t)s * (size_t)taps_in_segment + (size_t)(t / plan->tap_tables);
  const uint32_t *words = filter + tap * (size_t)eb_packed_words(plan->group_inputs);
  const int32_t inputs = plan->kernel->table_inputs;
  return bits_of(words, plan->group_inputs, t % plan->tap_tables * inputs, inputs);
}

/* The lanes of one channel, `channel_tile` lanes apart. */
static void pack_channel(const eb_w1a8_plan *plan, const uint32_t *filter, uint8_t *lanes) {
  const eb_w1a8_kernel *kernel = plan->kernel;
  const size_t stride = (size_t)kernel->channel_tile * (size_t)kernel->lane_bytes;
  for (int32_t s = 0; s < plan->segments; s++) {
    for (int32_t t = 0; t < plan->segment_tables; t += kernel->lane_tables, lanes += stride) {
      uint32_t lane = 0;
      for (int32_t k = 0; k < kernel->lane_tables && t + k < plan->segment_tables; k++) {
        lane |= index_of(plan, filter, s, t + k) << k * kernel->table_inputs;
      }
      for (int32_t byte = 0; byte < kernel->lane_bytes; byte++) lanes[byte] = (uint8_t)(lane >> 8 * byte);
    }
  }
}

static int32_t count_minus(const eb_w1a8_plan *plan, const uint32_t *filter) {
  const int32_t taps = plan->op.window.filter_height * plan->op.window.filter_width;
  const int32_t words = eb_packed_words(plan->group_inputs);
  int32_t count = 0;
  for (int32_t i = 0; i < taps * words; i++) {
    const int32_t left = plan->group_inputs - i % words * 32;
    count += __builtin_popcount(filter[i] & (left >= 32 ? ~0u : (1u << left) - 1));
  }
  return count;
}

/* What the tables count beyond sum(w * (x - zx)). */
static int64_t excess_of(const eb_w1a8_plan *plan, const uint32_t *filter) {
  const eb_window *w = &plan->op.window;
  const int64_t minus = count_minus(plan, filter);
  const int64_t sum = (int64_t)w->filter_height * w->filter_width * plan->group_inputs - 2 * minus;
  const int64_t offsets = plan->kernel->counts == EB_COUNTS_INPUTS ? 0 : 128 * sum;
  const int64_t complements = plan->kernel->counts == EB_COUNTS_COMPLEMENTS ? 255 * minus : 0;
  return offsets + complements + plan->op.input_zero_point * sum;
}

static eb_status check(const eb_w1a8_plan *plan, const eb_w1a8_constants *constants) {
  for (int32_t c = 0; c < plan->op.channels_out; c++) {
    if (!eb_w1a8_is_factor(constants->factor[c])) return EB_BAD_QUANTIZATION;
    if (constants->magnitude == NULL) continue;
    if (constants->magnitude[c] < 0 || constants->magnitude[c] > 127) return EB_BAD_QUANTIZATION;
  }
  return EB_OK;
}

/* The greatest size of a sum of that channel. */
static int64_t most_of(const eb_w1a8_plan *plan, int32_t magnitude, int32_t bias) {
  const eb_window *w = &plan->op.window;
  const int64_t terms = (int64_t)w->filter_height * w->filter_width * (plan->op.depthwise ? 1 : plan->group_inputs);
  return terms * 255 * magnitude + (bias < 0 ? -(int64_t)bias : bias);
}

/* The constants of channel c, which stand at `at`. Whether they are narrow. */
static int32_t prepare_channel(const eb_w1a8_plan *plan, const eb_w1a8_constants *constants, const uint32_t *filter,
                               int32_t c, size_t at, void *persistent) {
  const eb_w1a8_transform t = eb_w1a8_transform_of(plan, persistent);
  const int32_t magnitude = constants->magnitude == NULL ? 1 : constants->magnitude[c];
  const int32_t bias = constants->bias == NULL ? 0 : constants->bias[c];
  const int64_t excess = plan->op.depthwise ? 0 : excess_of(plan, filter);
  ((int32_t *)t.magnitude)[at] = magnitude;
  ((int32_t *)t.bias)[at] = (int32_t)((uint32_t)bias - (uint32_t)magnitude * (uint32_t)excess);
  if (plan->op.rounding == EB_ROUND_ONCE) {
    ((double *)t.factor)[at] = constants->factor[c];
    return 0;
  }
  const eb_w1a8_fixed f = eb_w1a8_fix_point(constants->factor[c]);
  ((int32_t *)t.multiplier)[at] = f.multiplier;
  ((int32_t *)t.left)[at] = f.left;
  ((int32_t *)t.right)[at] = f.right;
  return eb_w1a8_is_narrow(f, most_of(plan, magnitude, bias));
}

eb_status eb_w1a8_prepare(const eb_w1a8_plan *plan, const eb_w1a8_constants *constants, void *persistent) {
  EB_REQUIRE(eb_is_aligned(persistent) && constants->filter != NULL && constants->factor != NULL);
  const eb_status status = check(plan, constants);
  if (status != EB_OK) return status;
  memset(persistent, 0, plan->persistent_bytes);
  const uint32_t *filters = (const uint32_t *)constants->filter;
  if (plan->op.depthwise) {
    memcpy(persistent, filters, eb_w1a8_depthwise_words(plan) * sizeof(int32_t));
    for (int32_t c = 0; c < plan->op.channels_out; c++) {
      prepare_channel(plan, constants, NULL, c, (size_t)c, persistent);
    }
    return EB_OK;
  }
  int32_t narrow = 1;
  const eb_window *w = &plan->op.window;
  const size_t filter_words = (size_t)w->filter_height * (size_t)w->filter_width *
                              (size_t)eb_packed_words(plan->group_inputs);
  const int32_t tile = plan->kernel->channel_tile;
  for (int32_t c = 0; c < plan->op.channels_out; c++) {
    const uint32_t *filter = filters + (size_t)c * filter_words;
    const int32_t in_group = c % plan->group_outputs;
    const size_t block = (size_t)(c / plan->group_outputs * plan->group_blocks + in_group / tile);
    const size_t lane = (size_t)(in_group % tile);
    uint8_t *weights = (uint8_t *)persistent + block * plan->block_bytes;
    pack_channel(plan, filter, weights + lane * (size_t)plan->kernel->lane_bytes);
    narrow &= prepare_channel(plan, constants, filter, c, block * (size_t)tile + lane, persistent);
  }
  memcpy(eb_w1a8_narrow_at(plan, persistent), &narrow, sizeof(narrow));
  return EB_OK;
}
