/* The public contract of edgebnn's C kernels, continued: convolutions of few input channels, such as a network's first layer,
 * of int8 or float32, with what may surround them: quantization in front; max-pooling, and signs for a binary layer, behind.
 *
 * The conventions are those of kernels.h, and a convolution is used in the same three steps: plan, prepare, run.
 */
#ifndef EDGEBNN_CONV2D_FEW_H
#define EDGEBNN_CONV2D_FEW_H

#include "kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Zeros around an image, of a PAD in front: such as the 2 of AlexNet's or the 3 of ResNet's first layer, whose windows then lie
 * on the image without padding of their own. */
typedef struct eb_border {
  int32_t top, bottom, left, right;
} eb_border;

/* The operation, with x the input and w the filter; what lies in the padding or the border adds nothing.
 * int8, with zero points zx and zy (0 for w), and a factor of each output channel (input scale * weight scale / output scale):
 *   sum = bias + sum over the window of w * (x - zx);
 *   y   = clamp(round(sum * factor) + zy, output_min, output_max), rounded twice, as TFLite's reference convolutions do.
 *   Where the input is float32, x = clamp(round(input / input_scale) + zx, -128, 127), halves away from zero.
 * float32:
 *   y   = clamp(bias + sum over the window of w * x, float_min, float_max), in any order and with contraction.
 * Then, if it pools, the maximum of y over the pool's window; what lies in its padding does not count.
 * Packed output has a bit for each: y < zy (int8), y < 0 (float32). */
typedef struct eb_conv2d_few {
  eb_window window;    /* on the image without its border */
  eb_border border;    /* each side narrower than the filter; where there is one, the window's padding is VALID */
  int32_t channels_in;
  int32_t channels_out;
  int32_t type;        /* of the filter: EB_INT8 or EB_FLOAT32 */
  int32_t input_type;  /* the same, or EB_FLOAT32 where the filter is int8 */
  int32_t output_type; /* the same as the filter's, or EB_PACKED */
  int32_t pools;       /* 0, or 1 */
  int32_t pool_height, pool_width, pool_stride_height, pool_stride_width;
  int32_t pool_padding; /* enum eb_padding */
  int32_t input_zero_point, output_zero_point; /* int8 */
  int32_t output_min, output_max;              /* int8: the activation */
  float input_scale;                           /* float32 input of an int8 filter */
  float float_min, float_max;                  /* float32: the activation; infinities where there is none */
} eb_conv2d_few;

/* What belongs to each output channel. */
typedef struct eb_conv2d_few_constants {
  const void *filter;   /* int8_t in [-127, 127], as TFLite has them, or float [channels_out, filter_height, filter_width, channels_in] */
  const void *bias;     /* int32_t or float [channels_out]; NULL: all 0 */
  const double *factor; /* int8: [channels_out], as eb_w1a8_is_factor of w1a8.h says */
} eb_conv2d_few_constants;

/* One line of conv2d_few.kernels or conv2d_few_float.kernels; conv2d_few_block.h tells what the numbers mean. */
typedef struct eb_conv2d_few_stage eb_conv2d_few_stage;
typedef struct eb_conv2d_few_gather eb_conv2d_few_gather;
typedef struct eb_conv2d_few_block eb_conv2d_few_block;
typedef struct eb_conv2d_few_pool eb_conv2d_few_pool;
typedef struct eb_conv2d_few_kernel {
  const char *name;
  uint32_t cpu_features;
  void (*stage)(const eb_conv2d_few_stage *row);
  void (*gather)(const eb_conv2d_few_gather *windows);
  void (*run)(const eb_conv2d_few_block *block);
  void (*pool)(const eb_conv2d_few_pool *row);
  int32_t channel_tile, channel_multiple;
  int32_t staged;
  int32_t input_group, group_multiple;
} eb_conv2d_few_kernel;

/* The lines in order, best first; NULL at index >= the number of lines. The first table is of int8, the second of float32. */
EB_EXPORT const eb_conv2d_few_kernel *eb_conv2d_few_kernel_at(size_t index);
EB_EXPORT const eb_conv2d_few_kernel *eb_conv2d_few_float_kernel_at(size_t index);

/* As eb_bconv2d_kernel_named, of both tables. */
EB_EXPORT const char *eb_conv2d_few_kernel_named(const char *name, uint32_t cpu_features);

/* What eb_conv2d_few_plan_make settles. The caller reads the first part; the rest is the kernels' own. */
typedef struct eb_conv2d_few_plan {
  size_t persistent_bytes; /* repacked filter and constants */
  size_t scratch_bytes;    /* for each thread */
  int32_t tiles;           /* rows of output: neighbours share work, so threads should take ranges of them, */
  int32_t least_tiles;     /* of no fewer than this where there are as many */
  eb_conv2d_few op;        /* with its window resolved */
  eb_window pool;          /* of one image; of 1x1 where the operation does not pool: its output is the operation's */
  const eb_conv2d_few_kernel *kernel;

  int32_t element_bytes;             /* of a staged input, and of a packed weight */
  int32_t segments;                  /* stretches of a window that are contiguous in staged rows */
  size_t segment_bytes, window_bytes, pixel_bytes; /* pixel_bytes: from one window to the next in a staged row */
  int32_t slots;                     /* staged rows at a time, without the one of padding */
  size_t row_bytes;
  int32_t chunk;                     /* pixels whose windows are gathered at a time */
  int32_t blocks, padded_channels;   /* of channels; channels of all blocks, each padded to channel_multiple */
  size_t block_bytes;                /* of a whole block's weights */
  size_t constants_offset;           /* bytes into persistent memory */
  int32_t sum_rows;                  /* of a pool's window */
  size_t sum_row_bytes;
  size_t windows_offset, sums_offset, keys_offset; /* bytes into scratch */
} eb_conv2d_few_plan;

/* kernel_name: NULL for the best one for cpu_features, else the line to force. On an error *plan is undefined. */
EB_EXPORT eb_status eb_conv2d_few_plan_make(const eb_conv2d_few *op, const char *kernel_name, uint32_t cpu_features,
                                            eb_conv2d_few_plan *plan);

/* EB_BAD_QUANTIZATION if a factor is none or a weight is -128, EB_TOO_LARGE if an input can take a sum out of 32 bits (eb_conv2d_few_fits). */
EB_EXPORT eb_status eb_conv2d_few_prepare(const eb_conv2d_few_plan *plan, const eb_conv2d_few_constants *constants,
                                          void *persistent);

/* Whether the constants are such that eb_conv2d_few_prepare takes them: int8 only. EB_OK or its refusal. */
EB_EXPORT eb_status eb_conv2d_few_fits(const eb_conv2d_few *op, const eb_conv2d_few_constants *constants);

/* input: [batches, input_height, input_width, channels_in] of input_type;
 * output: [batches, height, width, channels_out] of the pool's or the window's output, packed: ceil(channels_out / 32) words. */
EB_EXPORT void eb_conv2d_few_run(const eb_conv2d_few_plan *plan, const void *persistent, const void *input, void *output,
                                 int32_t tile_begin, int32_t tile_end, void *scratch);

/* Further tiles of the same input, with the scratch as eb_conv2d_few_run or eb_conv2d_few_resume left it: rows that are there
 * are not made again. */
EB_EXPORT void eb_conv2d_few_resume(const eb_conv2d_few_plan *plan, const void *persistent, const void *input, void *output,
                                    int32_t tile_begin, int32_t tile_end, void *scratch);

#ifdef __cplusplus
}
#endif

#endif
