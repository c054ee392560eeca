/* The contract between the driver of W1A8 convolution and its kernels; not for callers.
 *
 * Kernels look sums up. Of every `table_inputs` neighbouring inputs of a pixel there is a table of `table_bytes` bytes:
 * their sum under each choice of signs. It is made once for a pixel (staged) and serves all output channels and all
 * windows that the pixel lies in. The signs of a channel for those inputs are an index into the table, and weights stay
 * packed as such indices: a lane of `lane_bytes` bytes holds the indices of `lane_tables` tables one after another,
 * least significant first, and the lanes of `channel_tile` channels stand side by side.
 *
 * A kernel that multiplies instead has tables that are the inputs themselves, and reads an index as the signs that it is.
 * It may have the weights of a block expanded before, from lanes to `expanded_bytes` bytes each: the driver keeps them in
 * scratch for as many pixels as it can.
 *
 * To add a kernel, write w1a8_<name>.c with three functions or four, and one line in w1a8.kernels:
 *   eb_w1a8_<name>_stage       makes the tables of some pixels;
 *   eb_w1a8_<name>_expand      expands the weights of a block; where the line has expanded_bytes;
 *   eb_w1a8_<name>             computes the output of one block of channels for some pixels, requantization included;
 *   eb_w1a8_<name>_depthwise   computes some rows of a depthwise layer, by w1a8_depthwise.h.
 */
#ifndef EDGEBNN_W1A8_BLOCK_H
#define EDGEBNN_W1A8_BLOCK_H

#include "bconv2d_block.h"
#include "numbers.h"
#include "steps.h"
#include "w1a8.h"

/* What the tables of a kernel count for an input x whose weight is +1, and for one whose weight is -1; u = x + 128. */
enum { EB_COUNTS_INPUTS, /* x and -x */ EB_COUNTS_UNSIGNED, /* u and -u */ EB_COUNTS_COMPLEMENTS /* u and 255 - u */ };

/* The functions of each line of the table. Inputs of the last table past `inputs` are zeros whose weights are +1.
 * expand: `count` lanes of channel_tile channels, [count][channel_tile][lane_bytes], to bytes of the same order,
 * [count][channel_tile][expanded_bytes]. */
#define EB_W1A8_KERNEL(name, ...)                                                 \
  void eb_w1a8_##name##_stage(const eb_w1a8_pixels *pixels);                                                  \
  void eb_w1a8_##name##_expand(const void *lanes, size_t count, void *weights); \
  void eb_w1a8_##name(const eb_w1a8_block *block);                                \
  void eb_w1a8_##name##_depthwise(const eb_w1a8_depthwise *rows);
#include "w1a8.kernels"
#undef EB_W1A8_KERNEL

/* Pixels of a group that are staged, each of `inputs` inputs. */
struct eb_w1a8_pixels {
  const int8_t *input;
  char *tables;
  size_t input_stride, table_stride; /* from pixel to pixel, in bytes */
  int32_t inputs, count;
};

/* One by one. */
EB_INLINE void eb_w1a8_stage_each(const eb_w1a8_pixels *p, void (*stage)(const int8_t *, int32_t, void *)) {
  for (int32_t i = 0; i < p->count; i++) {
    stage(p->input + (size_t)i * p->input_stride, p->inputs, p->tables + (size_t)i * p->table_stride);
  }
}

/* How sums become outputs, of all channels; arrays are padded to whole blocks. */
typedef struct eb_w1a8_transform {
  const int32_t *magnitude, *bias; /* bias: with what the zero point and the kernel's tables add */
  const int32_t *multiplier, *left, *right; /* EB_ROUND_TWICE: shifts before and after */
  const double *factor;                     /* EB_ROUND_ONCE */
  int32_t rounding;
  const float *scale, *offset; /* as float_output.h has them, of sums as the tables count them; magnitude and bias included */
  float guard;                 /* 0: outputs are not made by floats */
  int32_t zero_point, min, max;
} eb_w1a8_transform;

/* What a kernel computes in one call. For row r < row_count, pixel p < pixel_count and channel c < channels, with
 * s < segment_count, the sum over s and t < segment_tables of what the index of (s, t, c) finds in the table at
 *   segments[r * segment_count + s] + p * pixel_stride + t * table_bytes.
 * The output of row r's pixel p is the (r * pixel_count + p)-th. */
struct eb_w1a8_block {
  const void *weights;          /* [segment_count][lanes of a segment][channel_tile], expanded if the kernel has them so;
                                   aligned to EB_ALIGNMENT */
  const char *const *segments;  /* aligned to EB_ALIGNMENT if table_bytes is a multiple of it */
  size_t segment_count, segment_tables;
  size_t pixel_stride;
  int32_t row_count, pixel_count;
  int32_t channels;   /* 1 to channel_tile; any number of a single pixel, where the line says single_blocks */
  size_t block_bytes; /* from the weights of channel_tile channels to those of the next */

  eb_w1a8_transform transform; /* its arrays begin at the block's first channel */
  int8_t *output;              /* of the first pixel and channel */
  size_t output_stride;        /* from pixel to pixel */
  const eb_output_steps *steps; /* NULL, or what the outputs become last */
  int64_t first_pixel;          /* of all pixels of output; and the first of all channels: where the steps' operands are */
  int32_t first_channel;
};

/* The steps of `count` pixels from `first` on, whose outputs are there. */
EB_INLINE void eb_w1a8_finish(const eb_w1a8_block *b, int32_t first, int32_t count) {
  for (int32_t i = 0; b->steps != NULL && i < b->steps->count; i++) {
    const eb_step *step = &b->steps->step[i];
    int8_t *y = b->output + (size_t)first * b->output_stride;
    if (step->kind == EB_STEP_SCALE) {
      for (int32_t p = first; p < first + count; p++, y += b->output_stride)
        eb_apply_int8_step(step, b->first_pixel + p, b->first_channel, b->channels, y);
      continue;
    }
    const eb_int8_sum sum = *step->sum;
    const size_t channels = (size_t)b->channels;
    if (step->rows == 1 && step->stride == channels && b->output_stride == channels) { /* then they are all neighbours */
      const int8_t *x = (const int8_t *)step->operand + (size_t)(b->first_pixel + first) * channels;
      eb_step_sums_of_many(&sum, count * b->channels, x, y);
      continue;
    }
    for (int32_t p = first; p < first + count; p++, y += b->output_stride) {
      const int8_t *x = (const int8_t *)step->operand + eb_step_at(step, b->first_pixel + p) + b->first_channel;
      eb_step_sums(&sum, b->channels, x, y);
    }
  }
}

/* What a kernel may take for granted of a block. */
EB_INLINE void eb_require_w1a8_block(const eb_w1a8_block *b, int32_t most_channels, size_t table_bytes) {
  EB_REQUIRE(b->weights != NULL && eb_is_aligned(b->weights) && b->segments != NULL && b->output != NULL);
  EB_REQUIRE(b->segment_count > 0 && b->segment_tables > 0 && b->row_count > 0 && b->pixel_count > 0);
  EB_REQUIRE(b->channels > 0 && b->channels <= most_channels);
  EB_REQUIRE(table_bytes % EB_ALIGNMENT != 0 || eb_is_aligned(b->segments[0]));
  EB_REQUIRE(b->transform.min >= -128 && b->transform.max <= 127 && b->transform.min <= b->transform.max);
  (void)b, (void)most_channels, (void)table_bytes;
}

/* Row by row. */
EB_INLINE void eb_w1a8_each_row(const eb_w1a8_block *b, void (*run)(const eb_w1a8_block *)) {
  eb_w1a8_block row = *b;
  for (row.row_count = 1; row.segments < b->segments + (size_t)b->row_count * b->segment_count;) {
    run(&row);
    eb_w1a8_finish(&row, 0, row.pixel_count);
    row.segments += b->segment_count;
    row.output += (size_t)b->pixel_count * b->output_stride;
    row.first_pixel += b->pixel_count;
  }
}

/* Rows [row_begin, row_end) of output of a depthwise layer. */
struct eb_w1a8_depthwise {
  const eb_w1a8_plan *plan;
  const void *persistent;
  const int8_t *input;
  int8_t *output;
  int32_t row_begin, row_end;
  void *scratch; /* an eb_depthwise_tap for each tap; aligned to EB_ALIGNMENT */
};

/* A factor as multiplier * 2^(left - right - 31), multiplier in [2^30, 2^31) or 0, both shifts in [0, 31], the way TFLite
 * makes it (and edgebnn.arithmetic.fixed_point.quantize_multiplier). */
typedef struct eb_w1a8_fixed {
  int32_t multiplier, left, right;
} eb_w1a8_fixed;

EB_INLINE eb_w1a8_fixed eb_w1a8_fix_point(double factor) {
  uint64_t bits;
  memcpy(&bits, &factor, sizeof(bits));
  const int32_t exponent = (int32_t)(bits >> 52 & 0x7FF);
  int32_t shift = exponent - 1022;
  const uint64_t fraction = (bits & ((1ull << 52) - 1)) | 1ull << 52; /* of 53 bits, which are rounded to 31 */
  uint64_t value = (fraction + (1ull << 21)) >> 22;
  if (value == 1ull << 31) {
    value >>= 1;
    shift++;
  }
  if (exponent == 0 || shift < -31) value = 0, shift = 0;
  return (eb_w1a8_fixed){(int32_t)value, eb_at_least(shift, 0), eb_at_least(-shift, 0)};
}

/* One output from one sum, exactly as TFLite's reference kernels round (double: gemmlowp's
 * SaturatingRoundingDoublingHighMul, then RoundingDivideByPOT). */
EB_INLINE int32_t eb_w1a8_round_twice(int32_t sum, int32_t multiplier, int32_t left, int32_t right) {
  const int32_t shifted = (int32_t)((uint32_t)sum << left);
  const int32_t high = (int32_t)(((int64_t)shifted * multiplier + (1 << 30)) >> 31);
  const int32_t mask = (int32_t)((1u << right) - 1);
  return (high >> right) + ((high & mask) > (mask >> 1) + (high < 0));
}

/* Halves away from zero; beyond int32 it saturates, where int8 does in any case. */
EB_INLINE int32_t eb_w1a8_round_once(int32_t sum, double factor) {
  double x = (double)sum * factor;
  x = x < -2e9 ? -2e9 : x > 2e9 ? 2e9 : x;
  const int32_t whole = (int32_t)x;
  const double rest = x - whole;
  return whole + (rest >= 0.5) - (rest <= -0.5);
}

EB_INLINE int8_t eb_w1a8_output(const eb_w1a8_transform *t, int32_t c, int32_t sum) {
  const int32_t biased = (int32_t)((uint32_t)t->magnitude[c] * (uint32_t)sum + (uint32_t)t->bias[c]);
  const int32_t rounded = t->rounding == EB_ROUND_ONCE
                              ? eb_w1a8_round_once(biased, t->factor[c])
                              : eb_w1a8_round_twice(biased, t->multiplier[c], t->left[c], t->right[c]);
  const int64_t y = (int64_t)rounded + t->zero_point;
  return (int8_t)(y < t->min ? t->min : y > t->max ? t->max : y);
}

#endif
