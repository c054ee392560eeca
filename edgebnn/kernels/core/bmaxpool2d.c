/* Max-pooling of packed signs: the greatest of some +1 and -1 is -1 only if all are, and bit 1 means -1, so it is
 * the AND of the window. Padding never wins: taps outside the image are left out, and every window has one inside. */
#include "numbers.h"
#include "window.h"

eb_status eb_bmaxpool2d_check(eb_bmaxpool2d *op, int32_t *tiles) {
  const eb_status status = eb_window_resolve(&op->window);
  if (status != EB_OK) return status;
  if (op->channels < 1) return EB_BAD_SIZE;
  if (op->window.dilation_height != 1 || op->window.dilation_width != 1) return EB_BAD_STRIDE;
  const eb_window *w = &op->window;
  const int64_t pixels = (int64_t)w->batches * w->input_height * w->input_width;
  if (pixels > INT32_MAX / eb_packed_words(op->channels)) return EB_TOO_LARGE;
  *tiles = w->batches * w->output_height;
  return EB_OK;
}

typedef int32_t four __attribute__((vector_size(16)));

/* A window on the input: rows lie row_words apart, pixels pixel_words. */
typedef struct view {
  int32_t rows, columns;
  size_t row_words, pixel_words;
} view;

/* The greatest signs in a window, of four words side by side. */
static void pool_four(const view *v, const int32_t *restrict from, int32_t *restrict to) {
  four all = {-1, -1, -1, -1};
  for (int32_t y = 0; y < v->rows; y++, from += v->row_words) {
    const int32_t *at = from;
    for (int32_t x = 0; x < v->columns; x++, at += v->pixel_words) {
      four words;
      memcpy(&words, at, sizeof(words));
      all &= words;
    }
  }
  memcpy(to, &all, sizeof(all));
}

/* The same of one word. */
static int32_t pool_one(const view *v, const int32_t *restrict from) {
  int32_t all = -1;
  for (int32_t y = 0; y < v->rows; y++, from += v->row_words) {
    const int32_t *at = from;
    for (int32_t x = 0; x < v->columns; x++, at += v->pixel_words) all &= *at;
  }
  return all;
}

static void pool_pixel(const view *v, const int32_t *restrict from, int32_t *restrict to) {
  size_t word = 0;
  for (; word + 4 <= v->pixel_words; word += 4) pool_four(v, from + word, to + word);
  for (; word < v->pixel_words; word++) to[word] = pool_one(v, from + word);
}

/* One row of output pixels. */
static void pool_row(const eb_window *w, size_t words, const int32_t *input, int32_t row, int32_t *to) {
  const eb_patch patch = eb_patch_at(w, row * w->output_width);
  view v = {.rows = patch.y_end - patch.y_begin, .row_words = (size_t)w->input_width * words, .pixel_words = words};
  const size_t line = (size_t)patch.batch * (size_t)w->input_height + (size_t)(patch.y + patch.y_begin);
  for (int32_t column = 0; column < w->output_width; column++, to += words) {
    const int32_t x = column * w->stride_width - w->pad_left;
    const int32_t first = eb_taps_before(0, x, 1, w->filter_width);
    v.columns = eb_taps_before(w->input_width, x, 1, w->filter_width) - first;
    pool_pixel(&v, input + line * v.row_words + (size_t)(x + first) * words, to);
  }
}

void eb_bmaxpool2d_run(const eb_bmaxpool2d *op, const int32_t *input, int32_t *output, int32_t tile_begin,
                       int32_t tile_end) {
  EB_REQUIRE(0 <= tile_begin && tile_begin <= tile_end && tile_end <= op->window.batches * op->window.output_height);
  const size_t words = (size_t)eb_packed_words(op->channels);
  const size_t row_words = (size_t)op->window.output_width * words;
  for (int32_t row = tile_begin; row < tile_end; row++) {
    pool_row(&op->window, words, input, row, output + (size_t)row * row_words);
  }
}
