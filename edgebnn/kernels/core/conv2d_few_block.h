/* The contract between the driver of convolution of few input channels and its kernels; not for callers.
 *
 * With few channels, the taps of a pixel do not fill a vector register, nor the four bytes of an integer dot product. But a
 * row of a window, filter_width pixels, is contiguous. So rows of the input are staged once (converted, with the padding at
 * both ends), and the windows of a chunk of output pixels are gathered from them, row behind row, without a gap between: 147
 * bytes of a 7x7 window on three channels are 37 groups of four. A window is then read from end to end, a group broadcast at
 * a time, with output channels in lanes.
 *
 * To add a kernel, write conv2d_few_<name>.c (of float32, conv2d_few_float_<name>.c) and one line in conv2d_few.kernels (in
 * conv2d_few_float.kernels). The line gives
 *   channel_tile       output channels that are computed side by side: a block; a multiple of 8, or of 32 where it is more;
 *   channel_multiple   the last block is padded with channels of zeros to a multiple of it;
 *   staged             what the input is converted to, below, and the weights with it;
 *   input_group        inputs that stand side by side in packed weights;
 *   group_multiple     windows are padded to whole multiples of so many groups, with weights of zeros.
 * and the file four functions:
 *   _stage, _gather    for which conv2d_few_rows.h has loops, compiled with the kernel's flags;
 *   (the kernel)       the sums of one block of channels for some gathered windows, and their output;
 *   _pool              the output of a row of the pool from rows of sums, for which conv2d_few_rows.h has loops too.
 */
#ifndef EDGEBNN_CONV2D_FEW_BLOCK_H
#define EDGEBNN_CONV2D_FEW_BLOCK_H

#include "bconv2d_block.h"
#include "conv2d_few.h"
#include "numbers.h"

/* Staged inputs, and packed weights. */
enum {
  EB_STAGED_INT8,  /* x,       int8_t;   int8_t */
  EB_STAGED_UINT8, /* x + 128, uint8_t;  int8_t */
  EB_STAGED_INT16, /* x,       int16_t;  int16_t */
  EB_STAGED_FLOAT  /* x,       float;    float */
};

enum {
  EB_FEW_OVERRUN = 128,   /* bytes behind staged rows and gathered windows that may be read and written */
  EB_FEW_SPARE_PIXELS = 32 /* windows behind those of a chunk that may be read */
};

/* Four functions for each line of the tables. */
#define EB_CONV2D_FEW_FUNCTIONS(name)                              \
  void eb_##name##_stage(const eb_conv2d_few_stage *row);         \
  void eb_##name##_gather(const eb_conv2d_few_gather *windows);   \
  void eb_##name(const eb_conv2d_few_block *block);               \
  void eb_##name##_pool(const eb_conv2d_few_pool *row);
#define EB_CONV2D_FEW_KERNEL(name, ...) EB_CONV2D_FEW_FUNCTIONS(conv2d_few_##name)
#include "conv2d_few.kernels"
#undef EB_CONV2D_FEW_KERNEL
#define EB_CONV2D_FEW_FLOAT_KERNEL(name, ...) EB_CONV2D_FEW_FUNCTIONS(conv2d_few_float_##name)
#include "conv2d_few_float.kernels"
#undef EB_CONV2D_FEW_FLOAT_KERNEL

/* `count` inputs of a row, staged. */
struct eb_conv2d_few_stage {
  const void *input; /* of input_type */
  int32_t input_type;
  int32_t count;
  int32_t staged;
  float scale;        /* float32 input of an int8 filter */
  int32_t zero_point;
  void *to;
};

/* The windows of `count` neighbouring output pixels: segment s of pixel p lies at segments[s] + p * pixel_bytes and belongs
 * at windows + p * window_bytes + s * segment_bytes. Up to EB_FEW_OVERRUN bytes behind a segment may be read, and written
 * behind a window that is not followed yet. What a window holds behind its segments does not matter. */
struct eb_conv2d_few_gather {
  const char *const *segments;
  int32_t segment_count;
  size_t segment_bytes, pixel_bytes, window_bytes;
  int32_t count;
  char *windows;
};

/* How sums become outputs, of all channels; arrays are padded to whole channel_multiples. A narrow transform is
 *   (((2 * sum * multiplier + 2^31) >> 32) + (it < 0 ? -1 : 0) + addend) >> right, clamped to [min, max],
 * with every product and sum within 32 bits but the first, which is of 64: addend holds the zero point too. */
typedef struct eb_conv2d_few_transform {
  int32_t type, output_type;
  const int32_t *multiplier, *left, *right; /* int8: as of eb_w1a8_fixed, in w1a8_block.h */
  const int32_t *addend;                    /* narrow */
  int32_t narrow;
  int32_t zero_point, min, max;             /* int8 */
  const int32_t *threshold;                 /* packed from int8: bit = sum < threshold */
  float float_min, float_max;
} eb_conv2d_few_transform;

/* What a kernel computes in one call: for pixel p < pixel_count and channel c < channels
 *   sum = bias[c] + sum over i < window of windows[p][i] * weights[i / input_group][c][i % input_group]
 * which goes to sums[p * sum_stride + c], or transformed to the output. */
struct eb_conv2d_few_block {
  const void *weights; /* [groups][lanes][input_group]; aligned to EB_ALIGNMENT; lanes: `channels` padded to channel_multiple */
  const char *windows; /* window_bytes apart; aligned to EB_ALIGNMENT. EB_FEW_SPARE_PIXELS more may be read. */
  size_t window_bytes;
  int32_t groups;
  int32_t pixel_count;
  int32_t channels;
  const void *bias;    /* int32_t or float, of the block's first channel, padded as lanes are; with what zero points add */

  void *sums;          /* NULL, or int32_t or float: of the block's first channel, all lanes may be written */
  size_t sum_stride;

  eb_conv2d_few_transform transform; /* its arrays begin at the block's first channel */
  void *output;                      /* of the first pixel and channel; packed: the byte that has its bit */
  size_t output_stride;              /* from pixel to pixel, in elements; packed: in bytes */
};

/* What a kernel may take for granted of a block. */
EB_INLINE void eb_require_conv2d_few_block(const eb_conv2d_few_block *b, int32_t channel_tile) {
  EB_REQUIRE(b->weights != NULL && eb_is_aligned(b->weights) && b->windows != NULL && b->bias != NULL);
  EB_REQUIRE((b->sums != NULL) != (b->output != NULL));
  EB_REQUIRE(b->groups > 0 && b->pixel_count > 0 && b->channels > 0 && b->channels <= channel_tile);
  (void)b, (void)channel_tile;
}

/* One row of a pool's output: pixel x has the maxima over rows[r][(x * stride - pad_left + t)], r < row_count, of those
 * t < width within [0, columns), transformed. */
struct eb_conv2d_few_pool {
  const void *const *rows; /* of int32_t or float [columns][sum_stride] */
  int32_t row_count;
  int32_t columns;
  int32_t width, stride, pad_left;
  int32_t pixel_count;
  int32_t channels;
  size_t sum_stride;
  eb_conv2d_few_transform transform;
  void *output;
  size_t output_stride; /* as of a block */
};

#endif
