#include "conv_binary.h"

#include "conv_binary_output.h"

static int32_t count_bits(uint32_t x) {
  int32_t count = 0;
  for (; x != 0; x &= x - 1) count++;
  return count;
}

/* Where an output lies. */
typedef struct place {
  int32_t batch, row, column;
} place;

/* 2 * accum. */
static int32_t window_sum(const eb_conv_binary_layer *l, const int32_t *input, place p, int32_t channel) {
  const eb_geometry *g = &l->geometry;
  const int32_t group = channel / (l->channels_out / l->groups);
  const int32_t words = (l->channels_in + 31) / 32, group_words = (l->channels_in / l->groups + 31) / 32;
  const int32_t *weight = l->weights + channel * g->filter_height * g->filter_width * group_words;
  int32_t accum = 0;
  for (int32_t r = 0; r < g->filter_height; r++) {
    for (int32_t c = 0; c < g->filter_width; c++, weight += group_words) {
      const int32_t y = p.row * g->stride_height - g->pad_top + r * g->dilation_height;
      const int32_t x = p.column * g->stride_width - g->pad_left + c * g->dilation_width;
      const int inside = y >= 0 && y < g->input_height && x >= 0 && x < g->input_width;
      const int32_t pixel = inside ? (p.batch * g->input_height + y) * g->input_width + x : 0;
      const int32_t *word = input + pixel * words + group * group_words;
      for (int32_t i = 0; i < group_words; i++) accum += count_bits((uint32_t)weight[i] ^ (inside ? (uint32_t)word[i] : 0));
    }
  }
  return 2 * accum;
}

static int32_t padding_at(const eb_conv_binary_layer *l, place p, int32_t channel) {
  return eb_binary_padding_sum(&l->padding, channel, eb_binary_padding_class(&l->padding, p.row, p.column));
}

/* All places in order; `p` is the first one at the start. Whether there is one more. */
static int next(const eb_geometry *g, place *p) {
  if (++p->column < g->output_width) return 1;
  p->column = 0;
  if (++p->row < g->output_height) return 1;
  p->row = 0;
  return ++p->batch < g->batches;
}

void eb_conv_binary_packed(const eb_conv_binary_layer *l, const int32_t *input, int32_t *output) {
  place p = {0, 0, 0};
  for (int more = l->geometry.batches > 0; more; more = next(&l->geometry, &p)) {
    uint32_t word = 0;
    for (int32_t o = 0; o < l->channels_out; o++) {
      const int32_t x = window_sum(l, input, p, o) + padding_at(l, p, o);
      word |= (uint32_t)(x > 2 * l->output.thresholds[o]) << (o % 32);
      if (o % 32 == 31 || o == l->channels_out - 1) {
        *output++ = (int32_t)word;
        word = 0;
      }
    }
  }
}

void eb_conv_binary_int8(const eb_conv_binary_layer *l, const int32_t *input, int8_t *output) {
  place p = {0, 0, 0};
  for (int more = l->geometry.batches > 0; more; more = next(&l->geometry, &p)) {
    for (int32_t o = 0; o < l->channels_out; o++) {
      const eb_binary_rescaling rescaling = eb_binary_rescaling_of(&l->output, o);
      *output++ = eb_binary_int8(&rescaling, window_sum(l, input, p, o) + padding_at(l, p, o));
    }
  }
}

void eb_conv_binary_float(const eb_conv_binary_layer *l, const int32_t *input, float *output) {
  place p = {0, 0, 0};
  for (int more = l->geometry.batches > 0; more; more = next(&l->geometry, &p)) {
    for (int32_t o = 0; o < l->channels_out; o++) {
      *output++ = eb_binary_float(l, o, window_sum(l, input, p, o), padding_at(l, p, o));
    }
  }
}
