/* The windows of a depthwise layer of int8, one after the other. Those that reach into the padding are copied, with the zero
 * point there, and then taken like any other. */
#ifndef EDGEBNN_DEPTHWISE_WINDOW_H
#define EDGEBNN_DEPTHWISE_WINDOW_H

#include "depthwise_int8.h"

/* A window in memory: its first byte, and how far from it the next tap and the next row lie. */
typedef struct eb_depthwise_window {
  const int8_t *first;
  int32_t tap, row;
} eb_depthwise_window;

/* A tap of all channels, by words where both are aligned to 4; from: 0 in the padding. */
static inline int8_t *eb_put_tap(const eb_depthwise_int8_layer *l, const int8_t *from, int8_t *to) {
  if ((l->channels & 3) == 0) {
    const uint32_t padding = ((uint32_t)l->input_zero_point & 0xff) * 0x01010101;
    const uint32_t *word = (const uint32_t *)(const void *)from;
    uint32_t *to_word = (uint32_t *)(void *)to;
    if (from) {
      for (int32_t i = l->channels >> 2; i > 0; i--) *to_word++ = *word++;
    } else {
      for (int32_t i = l->channels >> 2; i > 0; i--) *to_word++ = padding;
    }
    return to + l->channels;
  }
  for (int32_t i = l->channels; i > 0; i--) *to++ = from ? *from++ : (int8_t)l->input_zero_point;
  return to;
}

static inline eb_depthwise_window eb_copied_window(const eb_depthwise_int8_layer *l, const int8_t *image, int32_t top,
                                                   int32_t left, int8_t *scratch) {
  const eb_geometry *g = &l->geometry;
  int8_t *to = scratch;
  for (int32_t r = 0, y = top; r < g->filter_height; r++, y += g->dilation_height) {
    for (int32_t c = 0, x = left; c < g->filter_width; c++, x += g->dilation_width) {
      const int inside = y >= 0 && y < g->input_height && x >= 0 && x < g->input_width;
      to = eb_put_tap(l, inside ? image + (y * g->input_width + x) * l->channels : 0, to);
    }
  }
  const eb_depthwise_window made = {scratch, l->channels, g->filter_width * l->channels};
  return made;
}

typedef void eb_depthwise_pixel(const eb_depthwise_int8_layer *layer, eb_depthwise_window window, int8_t *output,
                                int32_t *sums);

/* Calls `pixel` for every pixel of the output, with `sums` as they are; scratch holds a window. */
static inline void eb_depthwise_windows(const eb_depthwise_int8_layer *l, const int8_t *input, int8_t *output, int32_t *sums,
                                        int8_t *scratch, eb_depthwise_pixel *pixel) {
  const eb_geometry *g = &l->geometry;
  const int32_t row = g->input_width * l->channels, tap = g->dilation_width * l->channels;
  const int32_t last_row = (g->filter_height - 1) * g->dilation_height;
  const int32_t last_column = (g->filter_width - 1) * g->dilation_width;
  for (int32_t n = 0; n < g->batches; n++, input += g->input_height * row) {
    for (int32_t y = 0, top = -g->pad_top; y < g->output_height; y++, top += g->stride_height) {
      for (int32_t x = 0, left = -g->pad_left; x < g->output_width; x++, left += g->stride_width) {
        const int inside = top >= 0 && left >= 0 && top + last_row < g->input_height && left + last_column < g->input_width;
        const eb_depthwise_window within = {input + top * row + left * l->channels, tap, g->dilation_height * row};
        pixel(l, inside ? within : eb_copied_window(l, input, top, left, scratch), output, sums);
        output += l->channels * l->multiplicity;
      }
    }
  }
}

#endif
