#include "conv_binary_sliced.h"

#include "bit_slices.h"
#include "conv_binary_output.h"

typedef eb_binary_pair pair;

/* ---- windows into planes ------------------------------------------------------------------------------------------ */

/* A pixel of the output. */
typedef struct place {
  int32_t batch, row, column;
} place;

static place after(const eb_geometry *g, place p, int32_t pixels) {
  for (p.column += pixels; p.column >= g->output_width; p.column -= g->output_width) {
    if (++p.row == g->output_height) p.row = 0, p.batch++;
  }
  return p;
}

/* 32 or fewer pixels in a row of the output or several, and the tap of their windows that is looked at. */
typedef struct tap {
  const eb_geometry *geometry;
  const uint32_t *input; /* of the group */
  int32_t words;         /* of a pixel */
  int32_t row, column;
} tap;

/* Tap by tap one word of each pixel; 0 in the padding. */
static void gather(const tap *t, place p, int32_t count, uint32_t *words) {
  const eb_geometry *g = t->geometry;
  while (count > 0) {
    int32_t run = g->output_width - p.column;
    if (run > count) run = count;
    count -= run;
    const int32_t y = p.row * g->stride_height - g->pad_top + t->row * g->dilation_height;
    int32_t x = p.column * g->stride_width - g->pad_left + t->column * g->dilation_width;
    if (y >= 0 && y < g->input_height) {
      for (; run > 0 && x < 0; run--, x += g->stride_width) *words++ = 0;
      const int32_t step = g->stride_width * t->words, end = g->input_width;
      const uint32_t *from = t->input + ((p.batch * g->input_height + y) * end + x) * t->words;
      for (; run > 0 && x < end; run--, x += g->stride_width, from += step) *words++ = *from;
    }
    for (; run > 0; run--) *words++ = 0;
    p.column = 0;
    if (++p.row == g->output_height) p.row = 0, p.batch++;
  }
}

/* ---- sums --------------------------------------------------------------------------------------------------------- */

/* Of `count` triples of planes all sums with weights: bit 0 of the index flips the first plane, bit 1 the second, bit 2 the
 * third. Flipping all three flips both bits of the sum. */
static void fill_table(const uint32_t *planes, pair (*table)[8], int32_t count) {
  for (; count > 0; count--, planes += 3, table++) {
    const uint32_t a = planes[0], u = a ^ planes[1], v = a ^ planes[2], odd = u ^ planes[2];
    pair *t = *table;
    const uint32_t none = a ^ (u & v), first = a ^ (u | v), second = a ^ (v & ~u), third = a ^ (u & ~v);
    t[0].low = odd, t[0].high = none;
    t[1].low = ~odd, t[1].high = first;
    t[2].low = ~odd, t[2].high = second;
    t[3].low = odd, t[3].high = ~third;
    t[4].low = ~odd, t[4].high = third;
    t[5].low = odd, t[5].high = ~second;
    t[6].low = odd, t[6].high = ~first;
    t[7].low = ~odd, t[7].high = ~none;
  }
}

/* Adds the sums of ten triples, chosen by the bits of w, to the five lowest bits of the counters; the carry, of weight 32. */
EB_SLICES_INLINE uint32_t add_word(uint32_t s[5], pair (*table)[8], uint32_t w) {
#define SUM(n) const pair p##n = table[n][w >> (3 * (n)) & 7]
  SUM(0);
  SUM(1);
  const uint32_t twos0 = eb_full_add(&s[0], p0.low, p1.low), fours0 = eb_full_add(&s[1], p0.high, p1.high);
  SUM(2);
  const uint32_t fours1 = eb_full_add(&s[1], twos0, p2.high), eights0 = eb_full_add(&s[2], fours0, fours1);
  SUM(3);
  const uint32_t twos1 = eb_full_add(&s[0], p2.low, p3.low), fours2 = eb_full_add(&s[1], p3.high, twos1);
  SUM(4);
  SUM(5);
  const uint32_t twos2 = eb_full_add(&s[0], p4.low, p5.low), fours3 = eb_full_add(&s[1], p4.high, p5.high);
  const uint32_t eights1 = eb_full_add(&s[2], fours2, fours3), sixteens0 = eb_full_add(&s[3], eights0, eights1);
  SUM(6);
  const uint32_t fours4 = eb_full_add(&s[1], twos2, p6.high);
  SUM(7);
  const uint32_t twos3 = eb_full_add(&s[0], p6.low, p7.low), fours5 = eb_full_add(&s[1], p7.high, twos3);
  const uint32_t eights2 = eb_full_add(&s[2], fours4, fours5);
  SUM(8);
  SUM(9);
  const uint32_t twos4 = eb_full_add(&s[0], p8.low, p9.low), fours6 = eb_full_add(&s[1], p8.high, p9.high);
  const uint32_t fours7 = eb_half_add(&s[1], twos4), eights3 = eb_full_add(&s[2], fours6, fours7);
  const uint32_t sixteens1 = eb_full_add(&s[3], eights2, eights3);
  return eb_full_add(&s[4], sixteens0, sixteens1);
#undef SUM
}

/* Counters of some channels, and the weights that choose among the sums in the table: `stride` words from channel to channel. */
typedef struct counters {
  uint32_t *first;
  int32_t planes, channels;
  const uint32_t *weights;
  int32_t stride;
} counters;

/* Adds one word of weights a channel, or two. */
static void add_one(const counters *c, pair (*table)[8]) {
  const uint32_t *w = c->weights, *const end = c->first + c->channels * c->planes;
  for (uint32_t *s = c->first; s != end; s += c->planes, w += c->stride) {
    uint32_t low[5] = {s[0], s[1], s[2], s[3], s[4]};
    uint32_t carry = add_word(low, table, w[0]);
    s[0] = low[0], s[1] = low[1], s[2] = low[2], s[3] = low[3], s[4] = low[4];
    for (int32_t i = 5; i < c->planes; i++) carry = eb_half_add(&s[i], carry);
  }
}

static void add_two(const counters *c, pair (*table)[8]) {
  const uint32_t *w = c->weights, *const end = c->first + c->channels * c->planes;
  for (uint32_t *s = c->first; s != end; s += c->planes, w += c->stride) {
    uint32_t low[5] = {s[0], s[1], s[2], s[3], s[4]};
    const uint32_t carry0 = add_word(low, table, w[0]), carry1 = add_word(low, table + EB_WORD_PLANES / 3, w[1]);
    s[0] = low[0], s[1] = low[1], s[2] = low[2], s[3] = low[3], s[4] = low[4];
    uint32_t carry = eb_full_add(&s[5], carry0, carry1);
    for (int32_t i = 6; i < c->planes; i++) carry = eb_half_add(&s[i], carry);
  }
}

/* Adds the first 30 or 60 planes, and drops them. */
static int32_t add_planes(eb_binary_slices *slices, counters *c, int32_t filled) {
  const int32_t words = filled > EB_WORD_PLANES ? 2 : 1, taken = words * EB_WORD_PLANES;
  for (; filled < taken; filled++) slices->planes[filled] = 0;
  fill_table(slices->planes, slices->table, taken / 3);
  (words == 2 ? add_two : add_one)(c, slices->table);
  c->weights += words;
  for (int32_t i = taken; i < filled; i++) slices->planes[i - taken] = slices->planes[i];
  return filled - taken;
}

/* Counts for some channels of a group. */
static void count(const eb_conv_binary_layer *l, const uint32_t *input, place first, int32_t pixels, counters c,
                  eb_binary_slices *slices) {
  const eb_geometry *g = &l->geometry;
  const int32_t group_in = l->channels_in / l->groups;
  tap t = {.geometry = g, .words = (l->channels_in + 31) / 32};
  int32_t filled = 0;
  for (t.row = 0; t.row < g->filter_height; t.row++) {
    for (t.column = 0; t.column < g->filter_width; t.column++) {
      t.input = input;
      for (int32_t channel = 0; channel < group_in; channel += EB_LANES, t.input++) {
        uint32_t *words = slices->planes + filled;
        gather(&t, first, pixels, words);
        eb_transpose(words);
        filled += group_in - channel < EB_LANES ? group_in - channel : EB_LANES;
        if (filled >= EB_TABLE_PLANES) filled = add_planes(slices, &c, filled);
      }
    }
  }
  if (filled > 0) add_planes(slices, &c, filled);
}

/* ---- outputs ------------------------------------------------------------------------------------------------------ */

/* What is computed at a time: 32 pixels, or those that are left, and some channels of a group. */
typedef struct tile {
  place first;
  int32_t pixel, pixels;
  int32_t channel, channels;
} tile;

/* Of each pixel the class of its padding. */
static void find_classes(const eb_conv_binary_layer *l, const tile *t, int32_t *classes) {
  place p = t->first;
  for (int32_t lane = 0; lane < t->pixels; lane++) {
    classes[lane] = eb_binary_padding_class(&l->padding, p.row, p.column);
    p = after(&l->geometry, p, 1);
  }
}

/* Sets counters to `value`, or adds it, for the pixels of a mask. */
static void start(uint32_t *counter, int32_t planes, uint32_t value, uint32_t mask) {
  for (int32_t i = 0; i < planes; i++, value >>= 1) {
    if (value & 1) counter[i] |= mask;
  }
}

static void start_packed(const eb_conv_binary_layer *l, const tile *t, const counters *c, int32_t *classes) {
  if (l->padding.sums != NULL) find_classes(l, t, classes);
  for (int32_t i = 0; i < c->channels; i++) {
    const int32_t channel = t->channel + i;
    uint32_t *counter = c->first + i * c->planes;
    const uint32_t value = ((uint32_t)1 << (c->planes - 1)) - 1 - (uint32_t)l->output.thresholds[channel];
    if (l->padding.sums == NULL) {
      start(counter, c->planes, value, ~(uint32_t)0);
      continue;
    }
    for (int32_t lane = 0; lane < t->pixels;) { /* pixels of a class side by side */
      const int32_t of = classes[lane];
      uint32_t mask = 0;
      for (; lane < t->pixels && classes[lane] == of; lane++) mask |= (uint32_t)1 << lane;
      const int32_t half = eb_binary_padding_sum(&l->padding, channel, of) / 2; /* even: there is no half a sign */
      start(counter, c->planes, value + (uint32_t)half, mask);
    }
  }
}

/* The counters of 32 pixels as numbers, doubled. */
static void read_counters(const uint32_t *counter, int32_t planes, int32_t *x) {
  const uint32_t bytes = 0x01010101;
  const int32_t low_planes = planes < 8 ? planes : 8;
  for (int32_t lane = 0; lane < 8; lane++, x++) {
    uint32_t low = 0, high = 0;
    for (int32_t i = 0; i < low_planes; i++) low |= (counter[i] >> lane & bytes) << i;
    for (int32_t i = 8; i < planes; i++) high |= (counter[i] >> lane & bytes) << (i - 8);
    for (int32_t i = 0; i < 4; i++) x[8 * i] = (int32_t)((low >> 8 * i & 255) << 1 | (high >> 8 * i & 255) << 9);
  }
}

static void write_packed(const eb_conv_binary_layer *l, const tile *t, const counters *c, eb_binary_slices *slices,
                         int32_t *output) {
  const int32_t words = (l->channels_out + 31) / 32;
  for (int32_t i = 0; i < c->channels; i++) {
    const int32_t channel = t->channel + i, bit = channel % EB_LANES;
    slices->bits[bit] = c->first[i * c->planes + c->planes - 1];
    if (bit != EB_LANES - 1 && channel != l->channels_out - 1) continue;
    for (int32_t k = bit + 1; k < EB_LANES; k++) slices->bits[k] = 0;
    eb_transpose(slices->bits);
    int32_t *to = output + t->pixel * words + channel / EB_LANES;
    for (int32_t lane = 0; lane < t->pixels; lane++, to += words) *to = (int32_t)slices->bits[lane];
  }
}

static void write_int8(const eb_conv_binary_layer *l, const tile *t, const counters *c, eb_binary_slices *slices,
                       int8_t *output) {
  int32_t *const x = (int32_t *)slices->planes, *const classes = x + EB_LANES;
  if (l->padding.sums != NULL) find_classes(l, t, classes);
  for (int32_t i = 0; i < c->channels; i++) {
    const int32_t channel = t->channel + i;
    const eb_binary_rescaling rescaling = eb_binary_rescaling_of(&l->output, channel);
    read_counters(c->first + i * c->planes, c->planes, x);
    if (l->padding.sums != NULL) {
      for (int32_t lane = 0; lane < t->pixels; lane++) x[lane] += eb_binary_padding_sum(&l->padding, channel, classes[lane]);
    }
    int8_t *to = output + t->pixel * l->channels_out + channel;
    for (int32_t lane = 0; lane < t->pixels; lane++, to += l->channels_out) *to = eb_binary_int8(&rescaling, x[lane]);
  }
}

static void write_float(const eb_conv_binary_layer *l, const tile *t, const counters *c, eb_binary_slices *slices,
                        float *output) {
  int32_t *const x = (int32_t *)slices->planes, *const classes = x + EB_LANES;
  find_classes(l, t, classes);
  for (int32_t i = 0; i < c->channels; i++) {
    const int32_t channel = t->channel + i;
    read_counters(c->first + i * c->planes, c->planes, x);
    float *to = output + t->pixel * l->channels_out + channel;
    for (int32_t lane = 0; lane < t->pixels; lane++, to += l->channels_out) {
      *to = eb_binary_float(l, channel, x[lane], eb_binary_padding_sum(&l->padding, channel, classes[lane]));
    }
  }
}

/* ---- all of it ---------------------------------------------------------------------------------------------------- */

enum kind { PACKED, INT8, FLOAT };

static void compute_tile(const eb_conv_binary_layer *l, const uint32_t *input, const tile *t, int32_t planes, enum kind kind,
                         eb_binary_slices *slices, void *output) {
  const eb_geometry *g = &l->geometry;
  const int32_t group = t->channel / (l->channels_out / l->groups), group_in = l->channels_in / l->groups;
  const int32_t products = g->filter_height * g->filter_width * group_in;
  const int32_t stride = (products + EB_WORD_PLANES - 1) / EB_WORD_PLANES;
  const counters c = {.first = (uint32_t *)(slices + 1),
                      .planes = planes,
                      .channels = t->channels,
                      .weights = (const uint32_t *)l->weights + t->channel * stride,
                      .stride = stride};
  for (int32_t i = 0; i < c.channels * planes; i++) c.first[i] = 0;
  if (kind == PACKED) start_packed(l, t, &c, (int32_t *)slices->planes);
  count(l, input + group * (group_in / EB_LANES), t->first, t->pixels, c, slices);
  switch (kind) {
    case PACKED: write_packed(l, t, &c, slices, (int32_t *)output); break;
    case INT8: write_int8(l, t, &c, slices, (int8_t *)output); break;
    default: write_float(l, t, &c, slices, (float *)output);
  }
}

EB_SLICES_INLINE void compute(const eb_conv_binary_layer *l, const int32_t *input, enum kind kind, void *scratch, void *output) {
  const eb_geometry *g = &l->geometry;
  const int32_t group_out = l->channels_out / l->groups;
  const int32_t products = g->filter_height * g->filter_width * (l->channels_in / l->groups);
  int32_t planes = kind == PACKED;
  for (int32_t k = products; k > 0; k >>= 1) planes++;
  if (planes < EB_LEAST_PLANES) planes = EB_LEAST_PLANES;
  const int32_t pixels = g->batches * g->output_height * g->output_width;
  tile t = {.first = {0, 0, 0}};
  for (; t.pixel < pixels; t.pixel += EB_LANES, t.first = after(g, t.first, EB_LANES)) {
    t.pixels = pixels - t.pixel < EB_LANES ? pixels - t.pixel : EB_LANES;
    int32_t group_end = group_out;
    for (t.channel = 0; t.channel < l->channels_out; t.channel += t.channels) {
      if (t.channel == group_end) group_end += group_out;
      t.channels = group_end - t.channel < l->chunk ? group_end - t.channel : l->chunk;
      compute_tile(l, (const uint32_t *)input, &t, planes, kind, (eb_binary_slices *)scratch, output);
    }
  }
}

void eb_conv_binary_packed_sliced(const eb_conv_binary_layer *l, const int32_t *input, int32_t *output, void *scratch) {
  compute(l, input, PACKED, scratch, output);
}

void eb_conv_binary_int8_sliced(const eb_conv_binary_layer *l, const int32_t *input, int8_t *output, void *scratch) {
  compute(l, input, INT8, scratch, output);
}

void eb_conv_binary_float_sliced(const eb_conv_binary_layer *l, const int32_t *input, float *output, void *scratch) {
  compute(l, input, FLOAT, scratch, output);
}
