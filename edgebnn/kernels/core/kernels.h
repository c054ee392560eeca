/* The public contract of edgebnn's C kernels: the four binary operations of a Larq Compute Engine (LCE) model.
 *
 * Conventions
 *   Tensors are NHWC. A packed tensor has 32 channels a word, least significant bit first, in ceil(channels / 32)
 *   words a pixel; bit 0 means +1, bit 1 means -1, and the unused bits of the last word are 0.
 *   Kernels allocate nothing, keep nothing between calls and print nothing: the caller owns all memory and the threads.
 *   A call that can refuse its arguments returns an eb_status; calls that run an accepted operation cannot fail.
 *
 * Use of a convolution
 *   1. fill an eb_bconv2d, call eb_bconv2d_plan_make: it checks everything and tells output size, memory and tiles;
 *   2. give plan.persistent_bytes of memory, call eb_bconv2d_prepare once: weights are repacked, constants derived
 *      (the caller's filter, multiplier, bias and threshold are not needed any longer);
 *   3. call eb_bconv2d_run for ranges of tiles that together make [0, plan.tiles), on any threads, in any order,
 *      each thread with its own plan.scratch_bytes of scratch. The result does not depend on how tiles are split.
 * The other operations need neither memory nor preparation: check once, then run ranges of [0, tiles).
 *
 * Alignment: persistent and scratch memory to EB_ALIGNMENT; tensors to their element's size.
 * Tensors of one operation must not overlap, but where it is said. The header is C99 and C++.
 */
#ifndef EDGEBNN_KERNELS_H
#define EDGEBNN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The library is compiled with hidden visibility; what carries EB_EXPORT is seen from outside. */
#if defined(_WIN32)
#define EB_EXPORT __declspec(dllexport)
#else
#define EB_EXPORT __attribute__((visibility("default")))
#endif

#define EB_ALIGNMENT 64

typedef enum eb_status {
  EB_OK = 0,
  EB_BAD_SIZE,         /* a dimension, channel count or batch below 1 */
  EB_BAD_STRIDE,       /* a stride or dilation below 1 */
  EB_BAD_OPTION,       /* padding, pad value, activation or element type outside its enumeration */
  EB_BAD_GROUPS,       /* channels do not divide into the groups, or a group is not whole words of 32 */
  EB_BAD_QUANTIZATION, /* an int8 scale that is not finite and positive, or a zero point outside int8 */
  EB_EMPTY_OUTPUT,     /* the (dilated) filter is larger than the input and padding is VALID */
  EB_TOO_LARGE,        /* a tensor, the memory needed or the popcount sum exceeds what the kernels count with */
  EB_UNSUPPORTED,      /* zero padding, packed output and an odd channel count: the threshold cannot express it */
  EB_UNKNOWN_KERNEL,   /* no line of bconv2d.kernels has the forced name */
  EB_CPU_LACKS_KERNEL, /* the forced kernel needs instructions this processor does not have */
  EB_BAD_SCHEDULE      /* an order or tiles that the kernel does not have for this operation */
} eb_status;

/* "EB_BAD_SIZE", ...; "unknown status" for other values. */
EB_EXPORT const char *eb_status_name(eb_status status);

/* Values are those of the LCE file format. */
enum eb_padding { EB_PADDING_SAME = 0, EB_PADDING_VALID = 1 };
enum eb_activation { EB_ACT_NONE = 0, EB_ACT_RELU = 1, EB_ACT_RELU_N1_TO_1 = 2, EB_ACT_RELU6 = 3 };

enum eb_type { EB_FLOAT32 = 0, EB_INT8 = 1, EB_BOOL = 2, EB_PACKED = 3 };

/* Words of a packed pixel. */
static inline int32_t eb_packed_words(int32_t channels) { return channels / 32 + (channels % 32 != 0); }

/* ---- geometry ------------------------------------------------------------------------------------------------- */

/* A window sliding over an image. The caller fills the first part; eb_window_resolve checks it and fills the second
 * by TFLite's rules: SAME: output = ceil(input / stride), VALID: output = ceil((input - span + 1) / stride), with
 * span = (filter - 1) * dilation + 1; padding before = max(0, (output - 1) * stride + span - input) / 2. */
typedef struct eb_window {
  int32_t batches;
  int32_t input_height, input_width;
  int32_t filter_height, filter_width;
  int32_t stride_height, stride_width;
  int32_t dilation_height, dilation_width;
  int32_t padding; /* enum eb_padding */

  int32_t output_height, output_width;
  int32_t pad_top, pad_left;
} eb_window;

EB_EXPORT eb_status eb_window_resolve(eb_window *window);

/* ---- processor ------------------------------------------------------------------------------------------------ */

enum eb_cpu_feature {
  EB_CPU_ANY = 0,
  EB_CPU_AVX2 = 1 << 0,
  EB_CPU_AVX512_VPOPCNTDQ = 1 << 1, /* with AVX512F, BW, DQ and VL */
  EB_CPU_NEON = 1 << 2,
  EB_CPU_AVX512_BW = 1 << 3, /* with AVX512F, DQ and VL */
  EB_CPU_NEON_DOT = 1 << 4,  /* AArch64's dot products of bytes, with EB_CPU_NEON */
  EB_CPU_SSE41 = 1 << 5,     /* with SSSE3 */
  EB_CPU_AVX_VNNI = 1 << 6,  /* dot products of bytes, with EB_CPU_AVX2 */
  EB_CPU_AVX512_VNNI = 1 << 7, /* the same, with EB_CPU_AVX512_BW */
  EB_CPU_FMA = 1 << 8          /* with EB_CPU_AVX2 */
};

/* Features of the running processor, as a sum of eb_cpu_feature. */
EB_EXPORT uint32_t eb_cpu_features(void);

/* How XNNPACK's int8 kernels multiply, slowest first. */
enum eb_int8_arithmetic {
  EB_INT8_WIDENING,  /* products are widened: AVX2, NEON without dot products */
  EB_INT8_WIDENING_WIDE, /* the same with registers of 512 bits: AVX-512 without VNNI */
  EB_INT8_DOT,       /* NEON with dot products */
  EB_INT8_VNNI,
  EB_INT8_VNNI_WIDE, /* VNNI on two registers of 512 bits a cycle, twice what Zen 4 does: Zen 5 */
  EB_INT8_AMX        /* tiles of AMX: Intel's servers since Sapphire Rapids */
};

/* Of the running processor. */
EB_EXPORT int32_t eb_cpu_int8_arithmetic(void);

/* Bytes of the data caches that a core has to itself. */
typedef struct eb_cpu_caches {
  size_t level1, level2;
} eb_cpu_caches;

/* Of the running processor; 32 KiB and 256 KiB where the system does not tell. */
EB_EXPORT eb_cpu_caches eb_cpu_caches_read(void);

/* ---- schedules ------------------------------------------------------------------------------------------------ */

/* The order in which a kernel goes through a layer: what stays near the arithmetic while the rest passes by. A line of a
 * table of kernels gives the sum of those that it can take. */
enum eb_order {
  EB_OUTPUT_STATIONARY = 1, /* "os": some outputs at a time, all channels of them before the next ones */
  EB_WEIGHT_STATIONARY = 2, /* "ws": some channels at a time, all outputs of them before the next ones */
  EB_ROW_STATIONARY = 4     /* "rs": rows of the filter in registers, while a row of the input slides */
};

/* How a layer is to be computed. No result depends on it. Of the tiles, those that kernel and order have are at least 1 and
 * the others 0; sizes are rounded up to whole tiles of the kernel, and cut to what the layer has. */
typedef struct eb_schedule {
  const char *kernel;  /* a line of the operation's table */
  int32_t order;       /* enum eb_order */
  int32_t tile_pixels; /* binary convolution, "os" and "ws": output pixels */
  int32_t tile_rows;   /* W1A8, and "rs" of binary convolution: rows of output */
  int32_t tile_blocks; /* of channels that the kernel computes side by side; not of depthwise layers */
} eb_schedule;

/* Reads "KERNEL:ORDER:TILES", such as "neon64:ws:pixels=48,blocks=2", with the tiles pixels, rows and blocks. The text is
 * changed, and must last as long as the schedule: the kernel's name stays in it. EB_OK or EB_BAD_SCHEDULE. */
EB_EXPORT eb_status eb_schedule_parse(char *text, eb_schedule *schedule);

/* ---- steps: what else is done with rows of output --------------------------------------------------------------- */

enum eb_step_kind {
  EB_STEP_MUL,   /* y * x */
  EB_STEP_ADD,   /* y + x */
  EB_STEP_PRELU, /* y >= 0 ? y : y * x */
  EB_STEP_CLAMP, /* y < low ? low : y > high ? high : y */
  EB_STEP_SUM,   /* int8: y + x by `sum`, which takes them in this order */
  EB_STEP_SCALE  /* int8: y by `scale`, whose constants are x; all but these two are of float32 */
};

struct eb_int8_sum;   /* int8_sum.h */
struct eb_int8_scale; /* int8_scale.h */

/* One operation on each value y of a row. Row r finds its x, a value a channel, r / rows strides behind `operand`. Nothing is
 * contracted or put in another order, so that each step gives the bits of an op of its own. */
typedef struct eb_step {
  int32_t kind; /* enum eb_step_kind */
  float low, high;
  const void *operand; /* float, int8_t, or int32_t for EB_STEP_SCALE; NULL: EB_STEP_CLAMP */
  size_t stride;       /* in elements; 0: all rows have the same x */
  int64_t rows;        /* one after another that have the same x, at least 1 */
  const struct eb_int8_sum *sum;
  const struct eb_int8_scale *scale;
} eb_step;

enum { EB_MOST_STEPS = 4 };

/* In the order in which they are done, after all else; and where the output goes (steps alone: rows_block.h). */
typedef struct eb_output_steps {
  int32_t count;
  eb_step step[EB_MOST_STEPS];
  size_t output_stride; /* from row to row, in elements; 0: the rows follow each other */
} eb_output_steps;

/* ---- LceBconv2d ------------------------------------------------------------------------------------------------ */

/* The operation, as in the file. K = filter_height * filter_width * channels_in / groups.
 *   accum = popcount(input XOR filter) over the window, dot = K - 2 * accum;
 *   float32: activation(dot) * multiplier + bias, in LCE's order of operations (see output_transform.h), bit for bit;
 *   int8:    the same, in units of output_scale, rounded half away from zero, plus the zero point, saturated;
 *   packed:  bit = accum > threshold.
 * SAME padding is with ones (pad_value 1) or zeros (pad_value 0). */
typedef struct eb_bconv2d {
  eb_window window;
  int32_t channels_in;        /* of all groups together */
  int32_t channels_out;
  int32_t groups;
  int32_t pad_value;          /* 0 or 1 */
  int32_t activation;         /* enum eb_activation; without effect on packed output */
  int32_t output_type;        /* EB_FLOAT32, EB_INT8 or EB_PACKED */
  float output_scale;         /* int8 output only */
  int32_t output_zero_point;  /* int8 output only */
} eb_bconv2d;

/* LCE files do not store the number of groups: it follows from the last dimension of the packed filter. */
EB_EXPORT eb_status eb_bconv2d_groups(int32_t channels_in, int32_t filter_words, int32_t *groups);

/* What a kernel computes in one call (bconv2d_block.h), and how it wants its weights. */
typedef struct eb_bconv2d_block eb_bconv2d_block;
typedef void (*eb_bconv2d_block_fn)(const eb_bconv2d_block *block);
typedef void (*eb_bconv2d_pack_fn)(const uint32_t *filter, size_t filter_words, size_t words, int32_t channels,
                                   void *packed);

/* One line of bconv2d.kernels. */
typedef struct eb_bconv2d_kernel {
  const char *name;
  uint32_t cpu_features; /* those it needs */
  eb_bconv2d_block_fn run;
  eb_bconv2d_pack_fn pack;
  int32_t channel_tile;  /* output channels that it computes side by side, a block; divides 32, or is a multiple */
  int32_t pixel_tile;    /* pixels that it computes side by side */
  int32_t word_multiple; /* the words of a window are rounded up to it */
  int32_t lane_bytes;    /* of a word of one channel, packed */
  int32_t best_pixels;   /* of the whole output, at most, for it to be better than the line above it; 0: it is not */
  int32_t best_channels; /* the same, of the output channels of a group */
  int32_t orders;        /* sum of enum eb_order: row stationary, or others */
  int32_t row_lanes;     /* row stationary: how often a word of the input stands there, side by side */
  int32_t most_row_words; /* row stationary: of a row of the filter, at most */
  int32_t most_words;     /* row stationary: of the whole filter of a channel, at most */
} eb_bconv2d_kernel;

/* The lines in order, best first; NULL at index >= the number of lines. */
EB_EXPORT const eb_bconv2d_kernel *eb_bconv2d_kernel_at(size_t index);

/* The name, if a line has it and these features suffice for it; else NULL, which stands for the best line. */
EB_EXPORT const char *eb_bconv2d_kernel_named(const char *name, uint32_t cpu_features);

/* How a convolution is cut: a tile of work is some output pixels, the windows of which are gathered once, by some
 * blocks. The result does not depend on it. */
typedef struct eb_bconv2d_blocking {
  int32_t tile_pixels; /* rounded up to whole pixel tiles of the kernel, cut to the number of pixels there are */
  int32_t tile_blocks; /* rounded up to whole words of packed output, cut to the blocks that a group has */
} eb_bconv2d_blocking;

/* What eb_bconv2d_plan_make settles. The caller reads the first part; the rest is the kernels' own. */
typedef struct eb_bconv2d_plan {
  size_t persistent_bytes; /* repacked weights and constants, read by every run */
  size_t scratch_bytes;    /* for each thread */
  int32_t tiles;           /* each is much work: threads may take them one by one */
  eb_bconv2d op;           /* with its window resolved */
  const eb_bconv2d_kernel *kernel;

  int32_t group_words;          /* input words of a group's pixel */
  int32_t words;                /* input words of a whole window: filter_height * filter_width * group_words */
  int32_t window_words;         /* the same, rounded up to the kernel's word_multiple */
  int32_t group_channels;       /* output channels of a group */
  int32_t group_blocks;         /* blocks of a group */
  int32_t order;                /* enum eb_order */
  eb_bconv2d_blocking blocking; /* row stationary: pixels are those of tile_rows rows */
  int32_t tile_rows;            /* row stationary: rows of output of a tile, of one image; else 0 */
  int32_t pixel_tiles;          /* tiles of work one after another for the same blocks */
  int32_t chunk_groups;         /* groups that one tile of work covers */
  int32_t chunks;               /* tiles of work side by side for the same pixels */
  int32_t clamp_min, clamp_max; /* the activation, on 2 * accum */
  size_t constants_offset;      /* bytes into persistent memory: multiplier and bias, or threshold */
  size_t tap_sums_offset;       /* bytes into persistent memory: what zero padding takes back */
} eb_bconv2d_plan;

/* kernel_name: NULL for the best one for cpu_features, else the line to force, where it can compute the operation. The order
 * and the tiles are those of eb_bconv2d_choose_blocking. On an error *plan is undefined. */
EB_EXPORT eb_status eb_bconv2d_plan_make(const eb_bconv2d *op, const char *kernel_name, uint32_t cpu_features,
                                         eb_bconv2d_plan *plan);

/* The same by a schedule. */
EB_EXPORT eb_status eb_bconv2d_plan_schedule(const eb_bconv2d *op, const eb_schedule *schedule, uint32_t cpu_features,
                                             eb_bconv2d_plan *plan);

/* The blocking that eb_bconv2d_plan_make chooses: a function of the operation's shape, the kernel's tile and the
 * caches, and of nothing else. */
EB_EXPORT eb_bconv2d_blocking eb_bconv2d_choose_blocking(const eb_bconv2d_plan *plan, eb_cpu_caches caches);

/* Cuts a made plan in another way, for those who know better. Prepared weights stay valid; scratch and tiles change. */
EB_EXPORT eb_status eb_bconv2d_plan_block(eb_bconv2d_plan *plan, eb_bconv2d_blocking blocking);

/* filter: [channels_out, filter_height, filter_width, ceil(channels_in / groups / 32)].
 * multiplier, bias: [channels_out], read for float32 and int8 output; threshold: [channels_out], for packed output.
 * Those that the output type does not need may be NULL. */
EB_EXPORT void eb_bconv2d_prepare(const eb_bconv2d_plan *plan, const int32_t *filter, const float *multiplier,
                                  const float *bias, const int32_t *threshold, void *persistent);

/* input: [batches, input_height, input_width, ceil(channels_in / 32)] packed;
 * output: [batches, output_height, output_width, channels_out] float or int8_t, or packed int32_t;
 * steps: NULL, or what is done with float or int8 output, whose rows are its pixels. An operand may overlap the output if each
 * of its values lies where the output's value does that it makes. */
EB_EXPORT void eb_bconv2d_run(const eb_bconv2d_plan *plan, const void *persistent, const int32_t *input,
                              const eb_output_steps *steps, void *output, int32_t tile_begin, int32_t tile_end,
                              void *scratch);

/* ---- LceQuantize, LceDequantize -------------------------------------------------------------------------------- */

/* rows: product of all dimensions but the last; channels: the last one, unpacked. A tile is a row (little work:
 * give each thread one even range). */
typedef struct eb_rows {
  int32_t type; /* of the unpacked side: EB_FLOAT32, EB_INT8 or EB_BOOL */
  int64_t rows;
  int32_t channels;
  float scale;        /* int8 only, and only read by dequantize */
  int32_t zero_point; /* int8 only */
} eb_rows;

EB_EXPORT eb_status eb_quantize_check(const eb_rows *op);
EB_EXPORT eb_status eb_dequantize_check(const eb_rows *op);

/* bit = x < 0 (float32; NaN and -0 give 0), q < zero_point (int8), !x (bool). */
EB_EXPORT void eb_quantize_run(const eb_rows *op, const void *input, int32_t *output, int64_t row_begin,
                               int64_t row_end);

/* +1 and -1 (float32), zero_point +- round(1 / scale) saturated (int8), true and false (bool). */
EB_EXPORT void eb_dequantize_run(const eb_rows *op, const int32_t *input, void *output, int64_t row_begin,
                                 int64_t row_end);

/* ---- LceBMaxPool2d ---------------------------------------------------------------------------------------------- */

/* Dilation of the window must be 1. A tile is a row of output pixels: tiles = batches * output_height. */
typedef struct eb_bmaxpool2d {
  eb_window window;
  int32_t channels;
} eb_bmaxpool2d;

/* Resolves the window, and gives the number of tiles. */
EB_EXPORT eb_status eb_bmaxpool2d_check(eb_bmaxpool2d *op, int32_t *tiles);

EB_EXPORT void eb_bmaxpool2d_run(const eb_bmaxpool2d *op, const int32_t *input, int32_t *output, int32_t tile_begin,
                                 int32_t tile_end);

#ifdef __cplusplus
}
#endif

#endif
