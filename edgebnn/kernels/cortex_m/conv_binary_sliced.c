#include "conv_binary_sliced.h"

#include "conv_binary_add.h"
#include "conv_binary_tiles.h"

/* ---- windows into planes ------------------------------------------------------------------------------------------ */

/* 32 or fewer pixels in a row of the output or several, and the tap of their windows that is looked at. */
typedef struct tap {
  const eb_geometry *geometry;
  const uint32_t *input; /* of the group */
  int32_t words;         /* of a pixel */
  int32_t row, column;
} tap;

/* Words that lie `step` apart. */
static void copy(const uint32_t *from, int32_t step, int32_t count, uint32_t *to) {
  EB_ROLLED for (; count >= 4; count -= 4, from += 4 * step, to += 4) {
    const uint32_t a = from[0], b = from[step], c = from[2 * step], d = from[3 * step];
    to[0] = a, to[1] = b, to[2] = c, to[3] = d;
  }
  EB_ROLLED for (; count > 0; count--, from += step) *to++ = *from;
}

/* The same, above bits that are there. */
static void copy_above(const uint32_t *from, int32_t step, int32_t count, int32_t shift, uint32_t *to) {
  EB_ROLLED for (; count >= 4; count -= 4, from += 4 * step, to += 4) {
    const uint32_t a = from[0], b = from[step], c = from[2 * step], d = from[3 * step];
    to[0] |= a << shift, to[1] |= b << shift, to[2] |= c << shift, to[3] |= d << shift;
  }
  EB_ROLLED for (; count > 0; count--, from += step) *to++ |= *from << shift;
}

static void fill_zeros(uint32_t *to, int32_t count) {
  EB_ROLLED for (; count > 0; count--) *to++ = 0;
}

/* How many of x, x + step, ... lie below `end`: at most `most`. */
static int32_t count_below(int32_t x, int32_t step, int32_t end, int32_t most) {
  if (step == 1) return end - x < most ? (end > x ? end - x : 0) : most;
  int32_t count = 0;
  EB_ROLLED for (; count < most && x < end; x += step) count++;
  return count;
}

/* The word of each pixel at this tap, 0 in the padding, from bit `shift` on. */
static void gather(const tap *t, eb_binary_place p, int32_t count, int32_t shift, uint32_t *to) {
  const eb_geometry *g = t->geometry;
  const int32_t step = g->stride_width, size = g->input_width;
  while (count > 0) {
    int32_t run = g->output_width - p.column;
    if (run > count) run = count;
    count -= run;
    const int32_t y = p.row * g->stride_height - g->pad_top + t->row * g->dilation_height;
    const int32_t x = p.column * step - g->pad_left + t->column * g->dilation_width;
    int32_t before = run, inside = 0;
    if (y >= 0 && y < g->input_height) {
      before = count_below(x, step, 0, run);
      inside = count_below(x, step, size, run) - before;
    }
    const uint32_t *from = t->input;
    if (inside > 0) from += ((p.batch * g->input_height + y) * size + x + before * step) * t->words;
    if (shift == 0) {
      fill_zeros(to, before);
      copy(from, step * t->words, inside, to + before);
      fill_zeros(to + before + inside, run - before - inside);
    } else {
      copy_above(from, step * t->words, inside, shift, to + before);
    }
    to += run;
    p.column = 0;
    if (++p.row == g->output_height) p.row = 0, p.batch++;
  }
}

/* ---- sums --------------------------------------------------------------------------------------------------------- */

/* Of `count` triples of planes all sums with weights. */
static void fill_table(const uint32_t *planes, eb_pair (*table)[8], int32_t count) {
  EB_ROLLED for (; count > 0; count--, planes += 3, table++) eb_binary_fill_sums(planes[0], planes[1], planes[2], *table);
}

/* Adds the first 30 or 60 planes, and drops them. */
static int32_t add_planes(eb_binary_slices *slices, eb_binary_counters *c, int32_t filled) {
  const int32_t words = filled > EB_WORD_PLANES ? 2 : 1, taken = words * EB_WORD_PLANES;
  EB_ROLLED for (; filled < taken; filled++) slices->planes[filled] = 0;
  fill_table(slices->planes, slices->table, taken / 3);
  (words == 2 ? eb_binary_add_two : eb_binary_add_one)(c, slices->table);
  c->weights += words;
  EB_ROLLED for (int32_t i = taken; i < filled; i++) slices->planes[i - taken] = slices->planes[i];
  return filled - taken;
}

/* Makes planes of the signs that were gathered behind those that are there, and adds them if they suffice. */
static int32_t finish_planes(eb_binary_slices *slices, eb_binary_counters *c, int32_t filled, int32_t bits) {
  eb_binary_transpose(slices->planes + filled);
  filled += bits;
  return filled < EB_TABLE_PLANES ? filled : add_planes(slices, c, filled);
}

static void count(const eb_binary_tile *tile, eb_binary_slices *slices, const uint32_t *input) {
  const eb_conv_binary_layer *l = tile->layer;
  const eb_geometry *g = &l->geometry;
  const int32_t group_in = l->channels_in / l->groups;
  const int32_t stride = (g->filter_height * g->filter_width * group_in + EB_WORD_PLANES - 1) / EB_WORD_PLANES;
  eb_binary_counters c = {.first = tile->counters,
                .planes = tile->planes,
                .channels = tile->channels,
                .weights = (const uint32_t *)l->weights + tile->channel * stride,
                .stride = stride};
  tap t = {.geometry = g, .words = (l->channels_in + 31) / 32};
  int32_t filled = 0, bits = 0; /* planes, and signs of each pixel that are to become planes */
  for (t.row = 0; t.row < g->filter_height; t.row++) {
    for (t.column = 0; t.column < g->filter_width; t.column++) {
      t.input = input + tile->channel / (l->channels_out / l->groups) * (group_in / EB_LANES);
      for (int32_t channel = 0; channel < group_in; channel += EB_LANES, t.input++) {
        const int32_t more = group_in - channel < EB_LANES ? group_in - channel : EB_LANES;
        if (bits + more > EB_LANES) {
          filled = finish_planes(slices, &c, filled, bits);
          bits = 0;
        }
        gather(&t, tile->first, tile->pixels, bits, slices->planes + filled);
        bits += more;
      }
    }
  }
  filled = finish_planes(slices, &c, filled, bits);
  if (filled > 0) add_planes(slices, &c, filled);
}

/* ---- tiles --------------------------------------------------------------------------------------------------------- */

void eb_binary_sliced(const eb_conv_binary_layer *l, const int32_t *input, int32_t extra_bits, eb_binary_start *start,
                      eb_binary_write *write, void *scratch, void *output) {
  const eb_geometry *g = &l->geometry;
  const int32_t group_out = l->channels_out / l->groups, pixels = g->batches * g->output_height * g->output_width;
  eb_binary_slices *const slices = (eb_binary_slices *)scratch;
  eb_binary_tile t = {.layer = l,
                      .runs = 1,
                      .counters = (uint32_t *)(slices + 1),
                      .numbers = (int32_t *)slices->planes,
                      .classes = (eb_padding_pixels *)slices->table,
                      .bits = slices->bits};
  t.planes = eb_binary_planes(g->filter_height * g->filter_width * (l->channels_in / l->groups), extra_bits);
  for (; t.pixel < pixels; t.pixel += EB_LANES, t.first = eb_binary_after(g, t.first, EB_LANES)) {
    t.pixels = pixels - t.pixel < EB_LANES ? pixels - t.pixel : EB_LANES;
    int32_t group_end = group_out;
    for (t.channel = 0; t.channel < l->channels_out; t.channel += t.channels) {
      if (t.channel == group_end) group_end += group_out;
      t.channels = group_end - t.channel < l->chunk ? group_end - t.channel : l->chunk;
      start(&t);
      count(&t, slices, (const uint32_t *)input);
      write(&t, output);
    }
  }
}
