/* Max-pooling of packed signs: the greatest of some +1 and -1 is -1 only if all are, and bit 1 means -1, so it is
 * the AND of the window. Padding never wins: taps outside the image are left out, and every window has one inside. */
#include "kernels.h"
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

static void and_words(int32_t *restrict into, const int32_t *restrict from, int32_t words) {
  for (int32_t i = 0; i < words; i++) into[i] &= from[i];
}

void eb_bmaxpool2d_run(const eb_bmaxpool2d *op, const int32_t *input, int32_t *output, int32_t tile_begin,
                       int32_t tile_end) {
  const eb_window *w = &op->window;
  const int32_t words = eb_packed_words(op->channels);
  for (int32_t pixel = tile_begin * w->output_width; pixel < tile_end * w->output_width; pixel++) {
    const eb_patch patch = eb_patch_at(w, pixel);
    int32_t *into = output + (size_t)pixel * words;
    for (int32_t i = 0; i < words; i++) into[i] = -1;
    for (int32_t y = patch.y_begin; y < patch.y_end; y++) {
      const size_t row = ((size_t)patch.batch * w->input_height + patch.y + y) * w->input_width;
      for (int32_t x = patch.x_begin; x < patch.x_end; x++) {
        and_words(into, input + (row + patch.x + x) * words, words);
      }
    }
  }
}
