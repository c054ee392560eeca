/* The contract between the driver of binary convolution and its kernels; not for callers.
 *
 * To add a kernel, write bconv2d_<name>.c with two functions, and one line in bconv2d.kernels:
 *   eb_bconv2d_<name>_pack   puts the filter of one block into the order in which the kernel reads it, once;
 *   eb_bconv2d_<name>        computes the output of one block for some pixels, output transform included; a row stationary
 *                            kernel, for some rows of output.
 * A block is channel_tile output channels that the kernel computes side by side; the last of a group may be partly
 * empty. The kernel chooses how many pixels it takes at a time (its pixel_tile: the driver calls with multiples of it
 * where it can), counts into a small array of its own, and hands that to eb_write_output of output_transform.h, which
 * is compiled with the kernel's own flags.
 */
#ifndef EDGEBNN_BCONV2D_BLOCK_H
#define EDGEBNN_BCONV2D_BLOCK_H

#include "numbers.h"

#define EB_INLINE static inline __attribute__((always_inline))

/* No kernel's channel_tile is greater. */
enum { EB_MOST_CHANNEL_TILE = 64 };

/* The lines of the table that this architecture has. A 32-bit ARM processor that may have NEON is one of the application
 * profile whose floats are passed in registers: with its line's flags a NEON kernel's file defines __ARM_NEON there, and is
 * empty elsewhere (on microcontrollers, say). */
#define EB_ON_ANY(...) __VA_ARGS__
#if defined(__x86_64__)
#define EB_ON_X86_64(...) __VA_ARGS__
#else
#define EB_ON_X86_64(...)
#endif
#if defined(__aarch64__) && defined(__ARM_NEON)
#define EB_ON_AARCH64(...) __VA_ARGS__
#else
#define EB_ON_AARCH64(...)
#endif
#if defined(__ARM_NEON) && !defined(__aarch64__)
#define EB_MAY_HAVE_NEON 1
#elif defined(__arm__) && defined(__ARM_ARCH_PROFILE) && defined(__ARM_PCS_VFP)
#define EB_MAY_HAVE_NEON (__ARM_ARCH_PROFILE == 'A')
#else
#define EB_MAY_HAVE_NEON 0
#endif
#if EB_MAY_HAVE_NEON
#define EB_ON_ARM(...) __VA_ARGS__
#else
#define EB_ON_ARM(...)
#endif

/* Two functions for each line of the table. */
#define EB_BCONV2D_KERNEL(name, ...)                                                                         \
  void eb_bconv2d_##name(const eb_bconv2d_block *block);                                                     \
  void eb_bconv2d_##name##_pack(const uint32_t *filter, size_t filter_words, size_t words, int32_t channels, \
                                void *packed);
#include "bconv2d.kernels"
#undef EB_BCONV2D_KERNEL

/* What a kernel computes in one call. For pixel p < pixel_count and channel c < channels
 *   x = 2 * sum over w < words of popcount(pixels[p * pixel_stride + w] ^ filter[c][w])
 * becomes the output of pixel p and channel c. */
struct eb_bconv2d_block {
  const void *weights;    /* of the block, as packed; aligned to EB_ALIGNMENT */
  const uint32_t *pixels; /* aligned to 4 only: they may be the input tensor itself */
  size_t pixel_stride;    /* in words */
  size_t words;           /* of a window: a multiple of the kernel's word_multiple */

  /* Row stationary kernels find the windows in rows of the input in place of `pixels`, each word row_lanes times side by
   * side. The pixels are whole rows of output, of `columns` pixels; the window of column x in row y begins in row r <
   * row_count of the filter at lines + (y * line_step + r * row_step) + x * pixel_stride, and has row_words words there. */
  const uint32_t *lines; /* aligned to EB_ALIGNMENT */
  size_t line_step, row_step;
  int32_t row_count, row_words, columns;

  int32_t pixel_count;    /* at least 1 */
  int32_t channels;       /* 1 to channel_tile */

  /* The output transform: of this block's channels, and of its first pixel. Only output_transform.h reads it. */
  int32_t output_type;
  int32_t clamps; /* whether there is an activation */
  float clamp_min, clamp_max;
  const float *multiplier, *bias;
  const int32_t *threshold;     /* doubled */
  void *output;                 /* the first channel; packed: the word that holds its bit */
  size_t output_stride;         /* from pixel to pixel, in elements; packed: in words */
  int32_t first_bit;            /* packed: the first channel's bit in its word */
  const eb_output_steps *steps; /* NULL, or what else is done */
  int32_t first_pixel, first_channel; /* of the block, in the whole output */
  int32_t pads_after;           /* padding is taken back after the transform */
  const int32_t *const *padding; /* NULL, or for each pixel NULL or what zero padding takes back, [channels] */
};

/* What a kernel may take for granted of a block. */
EB_INLINE void eb_require_bconv2d_block(const eb_bconv2d_block *b, int32_t channel_tile, size_t word_multiple) {
  EB_REQUIRE(b->weights != NULL && eb_is_aligned(b->weights) && b->output != NULL);
  EB_REQUIRE(b->lines != NULL || b->pixels != NULL);
  EB_REQUIRE(b->words > 0 && b->words % word_multiple == 0 && b->pixel_count > 0);
  EB_REQUIRE(b->channels > 0 && b->channels <= channel_tile && channel_tile <= EB_MOST_CHANNEL_TILE);
  EB_REQUIRE(b->output_type == EB_PACKED ? b->threshold != NULL : b->multiplier != NULL && b->bias != NULL);
  EB_REQUIRE(b->steps == NULL || b->output_type != EB_PACKED);
  (void)b, (void)channel_tile, (void)word_multiple;
}

/* And what a row stationary one may. */
EB_INLINE void eb_require_bconv2d_rows(const eb_bconv2d_block *b, int32_t most_row_words, int32_t most_words) {
  EB_REQUIRE(b->lines != NULL && eb_is_aligned(b->lines) && b->columns > 0 && b->pixel_count % b->columns == 0);
  EB_REQUIRE(b->row_words > 0 && b->row_words <= most_row_words && b->words <= (size_t)most_words);
  EB_REQUIRE(b->row_count > 0 && b->words == (size_t)(b->row_count * b->row_words));
  (void)b, (void)most_row_words, (void)most_words;
}

/* The packing that most kernels want: [words][lanes], lanes past `channels` and words past `filter_words` are 0.
 * filter is [channels][filter_words]. */
EB_INLINE void eb_pack_lanes(const uint32_t *restrict filter, size_t filter_words, size_t words, int32_t channels,
                             int32_t lanes, uint32_t *restrict packed) {
  memset(packed, 0, words * (size_t)lanes * sizeof(uint32_t));
  for (int32_t lane = 0; lane < channels; lane++) {
    for (size_t word = 0; word < filter_words; word++) {
      packed[word * (size_t)lanes + (size_t)lane] = filter[(size_t)lane * filter_words + word];
    }
  }
}

/* And the one for kernels that go through the channels of a block some at a time: [tile / lanes][words][lanes]. */
EB_INLINE void eb_pack_lanes_in_turn(const uint32_t *restrict filter, size_t filter_words, size_t words,
                                     int32_t channels, int32_t tile, int32_t lanes, uint32_t *restrict packed) {
  for (int32_t first = 0; first < tile; first += lanes, packed += words * (size_t)lanes) {
    const int32_t left = channels - first;
    eb_pack_lanes(filter, filter_words, words, left < 0 ? 0 : left < lanes ? left : lanes, lanes, packed);
    filter += filter_words * (size_t)lanes;
  }
}

#endif
