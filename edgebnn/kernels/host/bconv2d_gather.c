/* Gathering goes row by row of the image and of the filter, so that the padding is dealt with once for a row of output
 * above and below, and only for the pixels at its ends left and right. */
#include "bconv2d.h"

/* Part of a row of output pixels. */
typedef struct span {
  int32_t batch, y;
  int32_t x_begin, x_end;
  int32_t inner_begin, inner_end; /* windows that lie within the image's width */
} span;

int eb_bconv2d_reads_in_place(const eb_bconv2d_plan *plan) {
  const eb_window *w = &plan->op.window;
  return plan->op.groups == 1 && w->filter_height == 1 && w->filter_width == 1 && w->stride_height == 1 &&
         w->stride_width == 1 && plan->window_words == plan->words;
}

/* From both ends, overlapping in the middle: no loop, and no call where there are few. */
EB_INLINE void copy_words(uint32_t *restrict to, const uint32_t *restrict from, size_t words) {
  if (words > 16) {
    memcpy(to, from, words * sizeof(uint32_t));
  } else if (words > 8) {
    memcpy(to, from, 32);
    memcpy(to + words - 8, from + words - 8, 32);
  } else if (words > 4) {
    memcpy(to, from, 16);
    memcpy(to + words - 4, from + words - 4, 16);
  } else if (words > 2) {
    memcpy(to, from, 8);
    memcpy(to + words - 2, from + words - 2, 8);
  } else {
    to[0] = from[0];
    to[words - 1] = from[words - 1];
  }
}

/* The taps of one row of the filter at one pixel, some of which may lie outside. */
static void gather_outer(const eb_bconv2d_plan *plan, const uint32_t *restrict row, int32_t x, uint32_t *restrict to) {
  const eb_window *w = &plan->op.window;
  const size_t group_words = (size_t)plan->group_words;
  for (int32_t tap = 0; tap < w->filter_width; tap++, to += group_words) {
    const int64_t at = (int64_t)x * w->stride_width - w->pad_left + (int64_t)tap * w->dilation_width;
    if (at < 0 || at >= w->input_width) {
      memset(to, 0, group_words * sizeof(uint32_t));
    } else {
      copy_words(to, row + (size_t)at * group_words * (size_t)plan->op.groups, group_words);
    }
  }
}

/* One row of the filter, at all pixels of a span. row: the group's words of the image's row. */
static void gather_row(const eb_bconv2d_plan *plan, const span *s, const uint32_t *restrict row,
                       uint32_t *restrict windows) {
  const eb_window *w = &plan->op.window;
  const size_t stride = (size_t)plan->window_words;
  const size_t group_words = (size_t)plan->group_words;
  const size_t pixel_words = group_words * (size_t)plan->op.groups;
  for (int32_t x = s->x_begin; x < s->inner_begin; x++, windows += stride) gather_outer(plan, row, x, windows);
  const uint32_t *from = row;
  if (s->inner_begin < s->inner_end) from += (size_t)(s->inner_begin * w->stride_width - w->pad_left) * pixel_words;
  const size_t step = (size_t)w->stride_width * pixel_words;
  if (w->dilation_width == 1 && plan->op.groups == 1) { /* taps side by side are words side by side */
    const size_t words = (size_t)w->filter_width * group_words;
    for (int32_t x = s->inner_begin; x < s->inner_end; x++, windows += stride, from += step) {
      copy_words(windows, from, words);
    }
  } else {
    for (int32_t x = s->inner_begin; x < s->inner_end; x++, windows += stride, from += step) {
      for (int32_t tap = 0; tap < w->filter_width; tap++) {
        copy_words(windows + (size_t)tap * group_words, from + (size_t)tap * (size_t)w->dilation_width * pixel_words,
                   group_words);
      }
    }
  }
  for (int32_t x = s->inner_end; x < s->x_end; x++, windows += stride) gather_outer(plan, row, x, windows);
}

static void gather_span(const eb_bconv2d_plan *plan, const span *s, const uint32_t *input, uint32_t *windows) {
  const eb_window *w = &plan->op.window;
  const size_t pixels = (size_t)(s->x_end - s->x_begin);
  const size_t stride = (size_t)plan->window_words;
  const size_t row_words = (size_t)w->filter_width * (size_t)plan->group_words;
  const size_t image_row_words = (size_t)w->input_width * (size_t)plan->group_words * (size_t)plan->op.groups;
  for (int32_t tap = 0; tap < w->filter_height; tap++) {
    const int64_t y = (int64_t)s->y * w->stride_height - w->pad_top + (int64_t)tap * w->dilation_height;
    uint32_t *to = windows + (size_t)tap * row_words;
    if (y < 0 || y >= w->input_height) {
      for (size_t p = 0; p < pixels; p++) memset(to + p * stride, 0, row_words * sizeof(uint32_t));
    } else {
      const size_t row = (size_t)s->batch * (size_t)w->input_height + (size_t)y;
      gather_row(plan, s, input + row * image_row_words, to);
    }
  }
  const size_t words = (size_t)plan->words;
  if (words == stride) return;
  for (size_t p = 0; p < pixels; p++) memset(windows + p * stride + words, 0, (stride - words) * sizeof(uint32_t));
}

static int32_t clip(int32_t x, int32_t low, int32_t high) { return x < low ? low : x > high ? high : x; }

void eb_bconv2d_gather(const eb_bconv2d_plan *plan, const uint32_t *input, int32_t group, int32_t pixel_begin,
                       int32_t pixel_end, uint32_t *windows) {
  const eb_window *w = &plan->op.window;
  const eb_columns inner = eb_inner_columns(w);
  input += (size_t)group * (size_t)plan->group_words;
  for (int32_t pixel = pixel_begin; pixel < pixel_end;) {
    const int32_t row = pixel / w->output_width;
    span s;
    s.batch = row / w->output_height;
    s.y = row % w->output_height;
    s.x_begin = pixel % w->output_width;
    s.x_end = eb_at_most(w->output_width - s.x_begin, pixel_end - pixel) + s.x_begin;
    s.inner_begin = clip(inner.begin, s.x_begin, s.x_end);
    s.inner_end = clip(inner.end, s.inner_begin, s.x_end);
    gather_span(plan, &s, input, windows);
    windows += (size_t)(s.x_end - s.x_begin) * (size_t)plan->window_words;
    pixel += s.x_end - s.x_begin;
  }
}
