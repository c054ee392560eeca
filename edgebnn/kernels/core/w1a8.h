/* The public contract of edgebnn's C kernels, continued: 1-bit weights with 8-bit activations (W1A8).
 *
 * The conventions are those of kernels.h, and a convolution is used in the same three steps: plan, prepare, run.
 */
#ifndef EDGEBNN_W1A8_H
#define EDGEBNN_W1A8_H

#include "kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

enum eb_rounding {
  EB_ROUND_TWICE = 0, /* a 32-bit multiplier and a shift, rounded after each: TFLite's reference convolutions */
  EB_ROUND_ONCE = 1   /* a factor in double, halves away from zero: TFLite's reference FULLY_CONNECTED */
};

/* A convolution. With x the input, zx its zero point, w = +1 or -1 and a magnitude m >= 0 of each output channel
 *   sum   = m * (sum over the window of w * (x - zx)) + bias, in an int32 that wraps;
 *   y     = clamp(round(sum * factor) + output_zero_point) to [output_min, output_max].
 * SAME padding is with zx, so it adds nothing. A dense layer is a convolution with a 1x1 filter over an image of one
 * pixel for each row. */
typedef struct eb_w1a8 {
  eb_window window;
  int32_t channels_in; /* of all groups together */
  int32_t channels_out;
  int32_t groups;
  int32_t depthwise; /* 0, or 1: each input channel has channels_out / channels_in filters of its own; groups is 1 */
  int32_t input_zero_point;
  int32_t output_zero_point;
  int32_t output_min, output_max; /* within int8: the activation */
  int32_t rounding;               /* enum eb_rounding */
} eb_w1a8;

/* Whether a sum can be scaled by it. From 2^31 - 1/2 on its 31 bits round to 2^31, and it would shift a sum by 32. */
static inline int eb_w1a8_is_factor(double factor) { return factor >= 0.0 && factor < 2147483647.5; }

/* What belongs to each output channel. */
typedef struct eb_w1a8_constants {
  const int32_t *filter;    /* packed signs: [channels_out, filter_height, filter_width, ceil(channels_in / groups / 32)],
                               depthwise: [filter_height, filter_width, ceil(channels_out / 32)] */
  const int32_t *magnitude; /* [channels_out]; NULL: all 1 */
  const int32_t *bias;      /* [channels_out]; NULL: all 0 */
  const double *factor;     /* [channels_out]: as eb_w1a8_is_factor says */
} eb_w1a8_constants;

/* One line of w1a8.kernels; w1a8_block.h tells what the numbers mean. */
typedef struct eb_w1a8_pixels eb_w1a8_pixels;
typedef struct eb_w1a8_block eb_w1a8_block;
typedef struct eb_w1a8_depthwise eb_w1a8_depthwise;
typedef struct eb_w1a8_kernel {
  const char *name;
  uint32_t cpu_features;
  void (*stage)(const eb_w1a8_pixels *pixels);
  void (*expand)(const void *lanes, size_t count, void *weights);
  void (*run)(const eb_w1a8_block *block);
  void (*depthwise)(const eb_w1a8_depthwise *rows);
  int32_t channel_tile;
  int32_t single_blocks; /* whether it takes many blocks at a time where they are of one pixel */
  int32_t table_inputs, table_bytes;
  int32_t lane_tables, lane_bytes;
  int32_t expanded_bytes; /* of a lane; 0: weights are read as they are packed */
  int32_t counts;
  int32_t floats; /* whether it makes outputs by floats (float_output.h) */
  int32_t orders; /* sum of enum eb_order */
} eb_w1a8_kernel;

/* The lines in order, best first; NULL at index >= the number of lines. */
EB_EXPORT const eb_w1a8_kernel *eb_w1a8_kernel_at(size_t index);

/* As eb_bconv2d_kernel_named. */
EB_EXPORT const char *eb_w1a8_kernel_named(const char *name, uint32_t cpu_features);

/* What eb_w1a8_plan_make settles. The caller reads the first part; the rest is the kernels' own. */
typedef struct eb_w1a8_plan {
  size_t persistent_bytes; /* repacked weights, still 1 bit each, and constants */
  size_t scratch_bytes;    /* for each thread */
  int32_t tiles;           /* rows of output, or parts of their channels: neighbours share work, so threads should take
                              ranges of them */
  eb_w1a8 op;              /* with its window resolved */
  const eb_w1a8_kernel *kernel;

  int32_t group_inputs, group_outputs, group_blocks;
  int32_t tap_tables;                /* of a group's pixel */
  int32_t segments, segment_tables;  /* tables of a window that lie side by side, and how many such stretches it has */
  int32_t column_step;               /* staged columns from one output pixel to the next */
  int32_t columns, slots;            /* of a staged row; rows staged at a time, without the one of padding */
  int32_t order;                     /* enum eb_order */
  int32_t tile_rows, row_tiles;      /* rows of output of a tile, all of one image; tiles of all rows */
  int32_t row_parts, part_blocks;    /* how the blocks are cut */
  int32_t expanded_slots;            /* blocks whose weights are expanded at a time; 0: none are */
  size_t pixel_bytes, row_bytes, block_bytes, expanded_bytes; /* the latter of a block */
  size_t constants_offset;           /* bytes into persistent memory */
  size_t pixel_offset, expanded_offset, pointers_offset; /* bytes into scratch */
} eb_w1a8_plan;

/* kernel_name: NULL for the one that costs least of those for cpu_features, else the line to force. Output stationary, by tiles of few rows. On an
 * error *plan is undefined. */
EB_EXPORT eb_status eb_w1a8_plan_make(const eb_w1a8 *op, const char *kernel_name, uint32_t cpu_features,
                                      eb_w1a8_plan *plan);

/* The same by a schedule. Depthwise layers are output stationary, and their only tile is "rows", of size 1. */
EB_EXPORT eb_status eb_w1a8_plan_schedule(const eb_w1a8 *op, const eb_schedule *schedule, uint32_t cpu_features,
                                          eb_w1a8_plan *plan);

/* EB_BAD_QUANTIZATION if a factor is none (eb_w1a8_is_factor), or a magnitude not in 0..127. */
EB_EXPORT eb_status eb_w1a8_prepare(const eb_w1a8_plan *plan, const eb_w1a8_constants *constants, void *persistent);

/* About how many times as fast as XNNPACK's int8 on this processor; 0 where it is not known, as of depthwise layers. */
EB_EXPORT double eb_w1a8_speedup(const eb_w1a8_plan *plan);

/* input: [batches, input_height, input_width, channels_in];
 * output: [batches, output_height, output_width, channels_out], or rows of pixels as the steps say;
 * steps: NULL, or sums that the outputs become; not of depthwise layers. */
EB_EXPORT void eb_w1a8_run(const eb_w1a8_plan *plan, const void *persistent, const int8_t *input,
                           const eb_output_steps *steps, int8_t *output, int32_t tile_begin, int32_t tile_end,
                           void *scratch);

/* Further tiles of the same input, with the scratch as eb_w1a8_run or eb_w1a8_resume left it: what is staged and expanded there
 * is not made again. */
EB_EXPORT void eb_w1a8_resume(const eb_w1a8_plan *plan, const void *persistent, const int8_t *input,
                              const eb_output_steps *steps, int8_t *output, int32_t tile_begin, int32_t tile_end,
                              void *scratch);

#ifdef __cplusplus
}
#endif

#endif
