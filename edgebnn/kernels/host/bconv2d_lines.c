/* Rows of the input for row stationary kernels: copied once for all windows and blocks that they serve, with the padding
 * left and right, each word as often as the kernel has lanes. Rows above and below the image are padding. */
#include "bconv2d.h"

/* lanes is a constant. */
EB_INLINE void copy_to_lanes(const uint32_t *restrict from, size_t words, size_t lanes, uint32_t *restrict to) {
  for (size_t word = 0; word < words; word++, to += lanes) {
    for (size_t lane = 0; lane < lanes; lane++) to[lane] = from[word];
  }
}

static void spread(const uint32_t *restrict from, size_t words, size_t lanes, uint32_t *restrict to) {
  switch (lanes) {
    case 1: memcpy(to, from, words * sizeof(uint32_t)); break;
    case 4: copy_to_lanes(from, words, 4, to); break;
    default: copy_to_lanes(from, words, lanes, to);
  }
}

/* row: the group's words of the image's row. */
static void stage_line(const eb_bconv2d_plan *plan, const uint32_t *restrict row, uint32_t *restrict line) {
  const eb_window *w = &plan->op.window;
  const size_t lanes = (size_t)plan->kernel->row_lanes, group_words = (size_t)plan->group_words;
  const size_t pixel = group_words * lanes; /* of a line, in words */
  const int32_t columns = (int32_t)eb_line_columns(w);
  const int32_t left = eb_at_most(w->pad_left, columns), inside = eb_at_most(columns - left, w->input_width);
  memset(line, 0, (size_t)left * pixel * sizeof(uint32_t));
  line += (size_t)left * pixel;
  if (plan->op.groups == 1) {
    spread(row, (size_t)inside * group_words, lanes, line);
  } else {
    const size_t pixel_words = group_words * (size_t)plan->op.groups;
    for (int32_t x = 0; x < inside; x++) {
      spread(row + (size_t)x * pixel_words, group_words, lanes, line + (size_t)x * pixel);
    }
  }
  memset(line + (size_t)inside * pixel, 0, (size_t)(columns - left - inside) * pixel * sizeof(uint32_t));
}

void eb_bconv2d_stage_lines(const eb_bconv2d_plan *plan, const uint32_t *input, int32_t group, int32_t row_begin,
                            int32_t row_end, uint32_t *lines) {
  const eb_window *w = &plan->op.window;
  const size_t line_words = (size_t)eb_line_words(plan);
  const size_t image_row_words = (size_t)w->input_width * (size_t)plan->group_words * (size_t)plan->op.groups;
  const int32_t batch = row_begin / w->output_height;
  const int64_t first = (int64_t)(row_begin % w->output_height) * w->stride_height - w->pad_top;
  const int64_t end = first + eb_lines_for(w, row_end - row_begin);
  input += (size_t)batch * (size_t)w->input_height * image_row_words + (size_t)group * (size_t)plan->group_words;
  for (int64_t y = first; y < end; y++, lines += line_words) {
    if (y < 0 || y >= w->input_height) {
      memset(lines, 0, line_words * sizeof(uint32_t));
    } else {
      stage_line(plan, input + (size_t)y * image_row_words, lines);
    }
  }
}
