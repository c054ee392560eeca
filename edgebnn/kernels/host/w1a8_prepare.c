/* W1A8 convolution: weights put into the order in which kernels read them, and constants derived. Happens once. */
#include <stdbool.h>

#include "../core/float_output.h"
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

/* The greatest size of the sum of a window's inputs, without magnitude and bias. */
static int64_t most_inputs(const eb_w1a8_plan *plan) {
  const eb_window *w = &plan->op.window;
  return (int64_t)w->filter_height * w->filter_width * (plan->op.depthwise ? 1 : plan->group_inputs) * 255;
}

/* The same with them, of that channel. */
static int64_t most_of(const eb_w1a8_plan *plan, int32_t magnitude, int32_t bias) {
  return most_inputs(plan) * magnitude + (bias < 0 ? -(int64_t)bias : bias);
}

/* Outputs of the channel whose constants stand at `at`, of sums as the tables count them. excess: as of excess_of. */
static eb_real_output real_output(const eb_w1a8_plan *plan, const eb_w1a8_transform *t, size_t at, int32_t bias,
                                  int64_t excess) {
  const int once = t->rounding == EB_ROUND_ONCE;
  const int32_t magnitude = t->magnitude[at];
  const double power = once ? 1.0 : (double)((int64_t)1 << t->left[at]) / (double)((int64_t)1 << (31 + t->right[at]));
  const double factor = once ? t->factor[at] : t->multiplier[at] * power;
  eb_real_output y;
  y.scale = magnitude * factor;
  y.offset = ((double)bias - (double)magnitude * (double)excess) * factor + t->zero_point;
  y.most = (double)(most_inputs(plan) + (excess < 0 ? -excess : excess));
  y.right = once ? -1 : t->right[at];
  return y;
}

/* Where a channel's constants and weights stand. */
typedef struct {
  size_t at;         /* in the arrays */
  size_t weights;    /* in persistent memory */
} place;

static place place_of(const eb_w1a8_plan *plan, int32_t c) {
  if (plan->op.depthwise) return (place){(size_t)c, 0};
  const int32_t in_group = c % plan->group_outputs, tile = plan->kernel->channel_tile;
  const size_t block = (size_t)(c / plan->group_outputs * plan->group_blocks + in_group / tile);
  const size_t lane = (size_t)(in_group % tile);
  return (place){block * (size_t)tile + lane, block * plan->block_bytes + lane * (size_t)plan->kernel->lane_bytes};
}

static const uint32_t *filter_of(const eb_w1a8_plan *plan, const eb_w1a8_constants *constants, int32_t c) {
  const eb_window *w = &plan->op.window;
  const size_t taps = (size_t)w->filter_height * (size_t)w->filter_width;
  return (const uint32_t *)constants->filter + (size_t)c * taps * (size_t)eb_packed_words(plan->group_inputs);
}

static int64_t excess_at(const eb_w1a8_plan *plan, const eb_w1a8_constants *constants, int32_t c) {
  return plan->op.depthwise ? 0 : excess_of(plan, filter_of(plan, constants, c));
}

static int32_t bias_at(const eb_w1a8_constants *constants, int32_t c) {
  return constants->bias == NULL ? 0 : constants->bias[c];
}

/* The integers of channel c. Returns the guard that its outputs need, if they are made by floats. */
static float prepare_channel(const eb_w1a8_plan *plan, const eb_w1a8_constants *constants, int32_t c,
                                      void *persistent) {
  const eb_w1a8_transform t = eb_w1a8_transform_of(plan, persistent);
  const size_t at = place_of(plan, c).at;
  const int32_t magnitude = constants->magnitude == NULL ? 1 : constants->magnitude[c], bias = bias_at(constants, c);
  const int64_t excess = excess_at(plan, constants, c);
  ((int32_t *)t.magnitude)[at] = magnitude;
  ((int32_t *)t.bias)[at] = (int32_t)((uint32_t)bias - (uint32_t)magnitude * (uint32_t)excess);
  if (plan->op.rounding == EB_ROUND_ONCE) {
    ((double *)t.factor)[at] = constants->factor[c];
  } else {
    const eb_w1a8_fixed f = eb_w1a8_fix_point(constants->factor[c]);
    ((int32_t *)t.multiplier)[at] = f.multiplier;
    ((int32_t *)t.left)[at] = f.left;
    ((int32_t *)t.right)[at] = f.right;
  }
  if (!plan->kernel->floats || most_of(plan, magnitude, bias) > INT32_MAX) return __builtin_inff(); /* sums may wrap */
  const eb_real_output y = real_output(plan, &t, at, bias, excess);
  return eb_float_guard(&y);
}

/* The floats, whose guard all channels allow. Outputs of lanes without a channel are never in doubt. */
static void prepare_floats(const eb_w1a8_plan *plan, const eb_w1a8_constants *constants, float guard, void *persistent) {
  const eb_w1a8_transform t = eb_w1a8_transform_of(plan, persistent);
  for (size_t at = 0; at < eb_w1a8_padded_channels(plan); at++) ((float *)t.offset)[at] = 0.5f;
  for (int32_t c = 0; c < plan->op.channels_out; c++) {
    const size_t at = place_of(plan, c).at;
    const eb_real_output y = real_output(plan, &t, at, bias_at(constants, c), excess_at(plan, constants, c));
    ((float *)t.scale)[at] = (float)y.scale;
    ((float *)t.offset)[at] = eb_float_offset(&y, guard);
  }
}

eb_status eb_w1a8_prepare(const eb_w1a8_plan *plan, const eb_w1a8_constants *constants, void *persistent) {
  EB_REQUIRE(eb_is_aligned(persistent) && constants->filter != NULL && constants->factor != NULL);
  const eb_status status = check(plan, constants);
  if (status != EB_OK) return status;
  memset(persistent, 0, plan->persistent_bytes);
  if (plan->op.depthwise) memcpy(persistent, constants->filter, eb_w1a8_depthwise_words(plan) * sizeof(int32_t));
  float guard = 0.0f;
  for (int32_t c = 0; c < plan->op.channels_out; c++) {
    uint8_t *weights = (uint8_t *)persistent + place_of(plan, c).weights;
    if (!plan->op.depthwise) pack_channel(plan, filter_of(plan, constants, c), weights);
    const float needed = prepare_channel(plan, constants, c, persistent);
    guard = needed > guard ? needed : guard;
  }
  if (guard <= EB_MOST_FLOAT_GUARD) {
    prepare_floats(plan, constants, guard, persistent);
  } else {
    guard = 0.0f;
  }
  memcpy(eb_w1a8_guard_at(plan, persistent), &guard, sizeof(guard));
  return EB_OK;
}
