/* Convolution of few input channels: weights put into the order in which kernels read them, and constants derived. Happens
 * once. */
#include "../core/conv2d_few_parts.h"
#include "../core/w1a8_block.h"

enum { OUTPUT_STEPS = 256, NARROW_SUM = 1 << 30, LARGEST_NARROW_SHIFT = 22 };

static int32_t inputs_of(const eb_conv2d_few *op) {
  return op->window.filter_height * op->window.filter_width * op->channels_in;
}

typedef struct {
  int64_t low, high;
} sums;

/* The least and the greatest sum of an int8 channel, of any input. */
static sums sums_of(const eb_conv2d_few *op, const eb_conv2d_few_constants *constants, int32_t c) {
  const int32_t inputs = inputs_of(op), above = 127 - op->input_zero_point, below = -128 - op->input_zero_point;
  const int8_t *weights = (const int8_t *)constants->filter + (size_t)c * (size_t)inputs;
  const int32_t bias = constants->bias == NULL ? 0 : ((const int32_t *)constants->bias)[c];
  int32_t plus = 0, minus = 0;
  for (int32_t i = 0; i < inputs; i++) {
    plus += weights[i] > 0 ? weights[i] : 0;
    minus += weights[i] < 0 ? weights[i] : 0;
  }
  return (sums){(int64_t)plus * below + (int64_t)minus * above + bias, (int64_t)plus * above + (int64_t)minus * below + bias};
}

static eb_status check_channel(const eb_conv2d_few *op, const eb_conv2d_few_constants *constants, int32_t c) {
  const int32_t inputs = inputs_of(op);
  const int8_t *weights = (const int8_t *)constants->filter + (size_t)c * (size_t)inputs;
  if (!eb_w1a8_is_factor(constants->factor[c])) return EB_BAD_QUANTIZATION;
  if (memchr(weights, -128, (size_t)inputs) != NULL) return EB_BAD_QUANTIZATION; /* kernels may add products in pairs */
  const int64_t scaling = (int64_t)1 << eb_w1a8_fix_point(constants->factor[c]).left;
  const sums s = sums_of(op, constants, c);
  const int fits = s.low >= (INT32_MIN + OUTPUT_STEPS) / scaling && s.high <= (INT32_MAX - OUTPUT_STEPS) / scaling;
  return fits ? EB_OK : EB_TOO_LARGE;
}

eb_status eb_conv2d_few_fits(const eb_conv2d_few *op, const eb_conv2d_few_constants *constants) {
  for (int32_t c = 0; c < op->channels_out && op->type == EB_INT8; c++) {
    const eb_status status = check_channel(op, constants, c);
    if (status != EB_OK) return status;
  }
  return EB_OK;
}

/* Weights of a block: [groups][lanes][input_group]. */
static void pack_weight(const eb_conv2d_few_plan *plan, const void *filter, int32_t c, int32_t i, char *block) {
  const eb_conv2d_few_kernel *kernel = plan->kernel;
  const int32_t tile = kernel->channel_tile, group = kernel->input_group;
  const int32_t lanes = eb_at_most(tile, plan->padded_channels - c / tile * tile);
  const size_t at = ((size_t)(i / group) * (size_t)lanes + (size_t)(c % tile)) * (size_t)group + (size_t)(i % group);
  const size_t from = (size_t)c * (size_t)inputs_of(&plan->op) + (size_t)i;
  switch (kernel->staged) {
    case EB_STAGED_FLOAT: ((float *)(void *)block)[at] = ((const float *)filter)[from]; break;
    case EB_STAGED_INT16: ((int16_t *)(void *)block)[at] = ((const int8_t *)filter)[from]; break;
    default: ((int8_t *)block)[at] = ((const int8_t *)filter)[from];
  }
}

/* The least sum whose output is not below the zero point. */
static int32_t threshold_of(const eb_conv2d_few *op, sums s, eb_w1a8_fixed f) {
  if (op->output_min >= op->output_zero_point) return INT32_MIN;
  if (op->output_max < op->output_zero_point) return INT32_MAX;
  int64_t low = s.low, high = s.high + 1; /* outputs grow with sums */
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (eb_w1a8_round_twice((int32_t)middle, f.multiplier, f.left, f.right) >= 0) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return (int32_t)low;
}

static int is_narrow(sums s, eb_w1a8_fixed f) {
  return f.left == 0 && f.right >= 1 && f.right <= LARGEST_NARROW_SHIFT && s.low > -NARROW_SUM && s.high < NARROW_SUM;
}

/* What zero points add to the sum of a channel, taken back. */
static int32_t bias_of(const eb_conv2d_few_plan *plan, const eb_conv2d_few_constants *constants, int32_t c) {
  const int32_t inputs = inputs_of(&plan->op);
  const int8_t *weights = (const int8_t *)constants->filter + (size_t)c * (size_t)inputs;
  int32_t sum = 0;
  for (int32_t i = 0; i < inputs; i++) sum += weights[i];
  const int32_t bias = constants->bias == NULL ? 0 : ((const int32_t *)constants->bias)[c];
  return (int32_t)((uint32_t)bias - (uint32_t)sum * (uint32_t)(plan->op.input_zero_point + eb_few_offset(plan)));
}

static void prepare_int8(const eb_conv2d_few_plan *plan, const eb_conv2d_few_constants *constants, void *persistent) {
  const eb_conv2d_few *op = &plan->op;
  int32_t *arrays[EB_FEW_ARRAYS];
  for (int32_t a = 0; a < EB_FEW_ARRAYS; a++) arrays[a] = eb_few_array(plan, persistent, a);
  int32_t narrow = 1;
  for (int32_t c = 0; c < op->channels_out; c++) {
    const eb_w1a8_fixed f = eb_w1a8_fix_point(constants->factor[c]);
    const sums s = sums_of(op, constants, c);
    arrays[0][c] = bias_of(plan, constants, c);
    arrays[1][c] = f.multiplier;
    arrays[2][c] = f.left;
    arrays[3][c] = f.right;
    arrays[5][c] = threshold_of(op, s, f);
    narrow &= is_narrow(s, f);
    if (narrow) arrays[4][c] = (1 << (f.right - 1)) + op->output_zero_point * (1 << f.right);
  }
  arrays[5][plan->padded_channels] = narrow;
}

eb_status eb_conv2d_few_prepare(const eb_conv2d_few_plan *plan, const eb_conv2d_few_constants *constants,
                                void *persistent) {
  const eb_conv2d_few *op = &plan->op;
  EB_REQUIRE(eb_is_aligned(persistent) && constants->filter != NULL);
  const eb_status status = eb_conv2d_few_fits(op, constants);
  if (status != EB_OK) return status;
  memset(persistent, 0, plan->persistent_bytes);
  for (int32_t c = 0; c < op->channels_out; c++) {
    char *block = (char *)persistent + (size_t)(c / plan->kernel->channel_tile) * plan->block_bytes;
    for (int32_t i = 0; i < inputs_of(op); i++) pack_weight(plan, constants->filter, c, i, block);
  }
  if (op->type == EB_INT8) {
    prepare_int8(plan, constants, persistent);
  } else if (constants->bias != NULL) {
    memcpy(eb_few_array(plan, persistent, 0), constants->bias, (size_t)op->channels_out * sizeof(float));
  }
  return EB_OK;
}
