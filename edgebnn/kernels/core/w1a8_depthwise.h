/* W1A8 depthwise convolution, compiled into every kernel with its flags: channels side by side, taps in the padding
 * left out. For each output channel
 *   sum over the taps inside the image of +-(x - zx).
 * Signs of 32 channels are spread to masks m, 0 or -1, once for a row of output: +-(x - zx) = (x ^ m) - (zx ^ m).
 */
#ifndef EDGEBNN_W1A8_DEPTHWISE_H
#define EDGEBNN_W1A8_DEPTHWISE_H

#include "w1a8_parts.h"
#include "window.h"

enum {
  EB_DEPTHWISE_WORD = 32,  /* channels of a word of signs */
  EB_DEPTHWISE_LANES = 16, /* of a vector */
  EB_DEPTHWISE_TAPS = 128  /* whose sum, of 255 each at most, 16 bits hold */
};

typedef int8_t eb_sixteen_bytes __attribute__((vector_size(EB_DEPTHWISE_LANES)));
typedef int16_t eb_sixteen_words __attribute__((vector_size(2 * EB_DEPTHWISE_LANES)));

/* Outputs of `count` channels from `first` on (at most EB_DEPTHWISE_WORD), the first of which goes to `output`. */
typedef void (*eb_depthwise_write_fn)(const eb_w1a8_transform *t, int32_t first, int32_t count, const int32_t *sums,
                                      int8_t *output);

/* A tap of 32 channels. */
typedef struct eb_depthwise_tap {
  eb_sixteen_words mask[2], zero_point[2];
} eb_depthwise_tap;

_Static_assert(sizeof(eb_depthwise_tap) == EB_W1A8_DEPTHWISE_TAP_BYTES, "what the plan asks for");

/* Spreads the signs of `count` taps, `words` words apart. */
EB_INLINE void eb_depthwise_spread(const uint32_t *signs, int32_t words, int32_t count, int32_t zero_point,
                                   eb_depthwise_tap *taps) {
  const eb_sixteen_words bits = {1 << 0, 1 << 1, 1 << 2,  1 << 3,  1 << 4,  1 << 5,  1 << 6,  1 << 7,
                                 1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, INT16_MIN};
  for (int32_t i = 0; i < count; i++, signs += words, taps++) {
    for (int half = 0; half < 2; half++) {
      taps->mask[half] = (((int16_t)(uint16_t)(*signs >> EB_DEPTHWISE_LANES * half) & bits) != 0);
      taps->zero_point[half] = taps->mask[half] ^ (int16_t)zero_point;
    }
  }
}

EB_INLINE void eb_depthwise_flush(eb_sixteen_words *sums, int32_t *total) {
  for (int half = 0; half < 2; half++) {
    for (int c = 0; c < EB_DEPTHWISE_LANES; c++) total[EB_DEPTHWISE_LANES * half + c] += sums[half][c];
    sums[half] ^= sums[half];
  }
}

EB_INLINE void eb_depthwise_add(const int8_t *x, const eb_depthwise_tap *tap, eb_sixteen_words *sums) {
  for (int half = 0; half < 2; half++) {
    eb_sixteen_bytes bytes;
    memcpy(&bytes, x + EB_DEPTHWISE_LANES * half, sizeof(bytes));
    sums[half] += (__builtin_convertvector(bytes, eb_sixteen_words) ^ tap->mask[half]) - tap->zero_point[half];
  }
}

/* The channels of a word. multiplier: output channels of an input channel. */
typedef struct eb_depthwise_channels {
  int32_t first, count, multiplier;
} eb_depthwise_channels;

/* The sums of one window's channels. image: the batch's. */
EB_INLINE void eb_depthwise_sum(const eb_w1a8 *op, const eb_depthwise_channels *c, const eb_depthwise_tap *taps,
                                const int8_t *image, const eb_patch *patch, int32_t *total) {
  const eb_window *w = &op->window;
  const int side_by_side = c->multiplier == 1 && c->count == EB_DEPTHWISE_WORD;
  int8_t own[EB_DEPTHWISE_WORD] = {0};
  eb_sixteen_words sums[2] = {{0}, {0}};
  int32_t added = 0;
  memset(total, 0, EB_DEPTHWISE_WORD * sizeof(*total));
  for (int32_t fy = patch->y_begin; fy < patch->y_end; fy++) {
    const size_t row = (size_t)(patch->y + fy * w->dilation_height) * (size_t)w->input_width;
    for (int32_t fx = patch->x_begin; fx < patch->x_end; fx++) {
      const size_t at = row + (size_t)(patch->x + fx * w->dilation_width);
      const int8_t *pixel = image + at * (size_t)op->channels_in, *x = pixel + c->first;
      if (!side_by_side) {
        const int32_t by = c->multiplier;
        for (int32_t i = 0; i < c->count; i++) own[i] = by == 1 ? x[i] : pixel[(c->first + i) / by];
        x = own;
      }
      eb_depthwise_add(x, taps + fy * w->filter_width + fx, sums);
      if (++added % EB_DEPTHWISE_TAPS == 0) eb_depthwise_flush(sums, total);
    }
  }
  eb_depthwise_flush(sums, total);
}

/* Computes rows of output, written by `write`. */
EB_INLINE void eb_depthwise_run(const eb_w1a8_depthwise *d, eb_depthwise_write_fn write) {
  const eb_w1a8 *op = &d->plan->op;
  EB_REQUIRE(op->depthwise && op->channels_out % op->channels_in == 0 && eb_is_aligned(d->scratch));
  const eb_window *w = &op->window;
  const eb_w1a8_transform t = eb_w1a8_transform_of(d->plan, d->persistent);
  const int32_t words = eb_packed_words(op->channels_out);
  for (int32_t i = d->row_begin * words; i < d->row_end * words; i++) {
    const int32_t row = i / words, word = i % words, first = word * EB_DEPTHWISE_WORD;
    const eb_depthwise_channels c = {first, eb_at_most(op->channels_out - first, EB_DEPTHWISE_WORD),
                                     op->channels_out / op->channels_in};
    eb_depthwise_spread((const uint32_t *)d->persistent + word, words, w->filter_height * w->filter_width,
                        op->input_zero_point, d->scratch);
    eb_patch patch = eb_patch_at(w, row * w->output_width);
    const size_t image = (size_t)patch.batch * (size_t)w->input_height * (size_t)w->input_width;
    int8_t *output = d->output + (size_t)row * (size_t)w->output_width * (size_t)op->channels_out + first;
    for (int32_t column = 0; column < w->output_width; column++, output += op->channels_out) {
      _Alignas(EB_ALIGNMENT) int32_t sums[EB_DEPTHWISE_WORD];
      patch.x_begin = eb_taps_before(0, patch.x, w->dilation_width, w->filter_width);
      patch.x_end = eb_taps_before(w->input_width, patch.x, w->dilation_width, w->filter_width);
      eb_depthwise_sum(op, &c, d->scratch, d->input + image * (size_t)op->channels_in, &patch, sums);
      write(&t, first, c.count, sums, output);
      patch.x += w->stride_width;
    }
  }
}

#endif
