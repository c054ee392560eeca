/* The weights of an int8 layer, channel by channel: whether they are two-valued, and their signs packed. */
#include "int8_weights.h"

#include <stdbool.h>

enum { OUTPUT_STEPS = 128, SCANNED = 1024 };

/* Where the weights of a channel stand. */
typedef struct {
  const int8_t *first;
  int32_t terms;  /* weights of a channel */
  int32_t stride; /* from one of them to the next */
  int32_t zero_point;
} channel;

static channel channel_of(const eb_w1a8 *layer, const eb_int8_weights *weights, int32_t c) {
  const int32_t taps = layer->window.filter_height * layer->window.filter_width;
  const int32_t terms = layer->depthwise ? taps : taps * (layer->channels_in / layer->groups);
  return (channel){.first = layer->depthwise ? weights->data + c : weights->data + (size_t)c * (size_t)terms,
                   .terms = terms,
                   .stride = layer->depthwise ? layer->channels_out : 1,
                   .zero_point = weights->zero_point};
}

/* Whether `count` weights, `stride` apart, are all `one` or `other`; adds up how many are `other`. */
static inline bool are_two_valued(const int8_t *w, int32_t count, int32_t stride, int32_t one, int32_t other,
                                  int32_t *others) {
  int32_t found = 0, strange = 0;
  for (int32_t i = 0; i < count; i++) {
    const int32_t value = w[(size_t)i * (size_t)stride];
    found += value == other;
    strange |= (value != one) & (value != other);
  }
  *others += found;
  return strange == 0;
}

/* The magnitude of a channel, 0 to 127, and how many of its weights are below 0; EB_NOT_TWO_VALUED if it has no one
 * magnitude. */
static int32_t magnitude_of(const channel *w, int32_t *minus) {
  const int32_t first = w->first[0] - w->zero_point, magnitude = first < 0 ? -first : first;
  const int32_t one = w->first[0], other = w->zero_point - first;
  int32_t others = 0;
  if (magnitude > 127) return EB_NOT_TWO_VALUED;
  for (int32_t at = 0; at < w->terms; at += SCANNED) {
    const int32_t left = w->terms - at, count = left < SCANNED ? left : SCANNED;
    const int8_t *from = w->first + (size_t)at * (size_t)w->stride;
    const bool two = w->stride == 1 ? are_two_valued(from, count, 1, one, other, &others)
                                    : are_two_valued(from, count, w->stride, one, other, &others);
    if (!two) return EB_NOT_TWO_VALUED;
  }
  *minus = first < 0 ? w->terms - others : first > 0 ? others : 0;
  return magnitude;
}

/* Whether no input can take the channel's sums out of 32 bits, before or after they are scaled: the least and the greatest
 * sum of any input (edgebnn.arithmetic.w1a8). */
static bool fits(const eb_w1a8 *layer, int32_t magnitude, int32_t terms, int32_t minus, int32_t bias, double factor) {
  const int64_t above = 127 - layer->input_zero_point, below = layer->input_zero_point + 128, plus = terms - minus;
  const int64_t high = magnitude * (plus * above + minus * below) + bias;
  const int64_t low = bias - magnitude * (plus * below + minus * above);
  double scaling = factor;
  if (layer->rounding == EB_ROUND_TWICE) {
    /* The shift before the multiplication; a significand that rounds to 1 in 31 bits is one bit more. */
    for (scaling = 1.0; scaling * (1.0 - 0x1p-32) <= factor; scaling *= 2.0) continue;
  }
  return low >= INT32_MIN && high <= INT32_MAX && (double)low * scaling >= (double)INT32_MIN + OUTPUT_STEPS &&
         (double)high * scaling <= (double)INT32_MAX - OUTPUT_STEPS;
}

int32_t eb_int8_magnitude(const eb_w1a8 *layer, const eb_int8_weights *weights, int32_t c, double factor) {
  const channel w = channel_of(layer, weights, c);
  const int32_t bias = weights->bias == NULL ? 0 : weights->bias[c];
  int32_t minus;
  const int32_t magnitude = eb_w1a8_is_factor(factor) ? magnitude_of(&w, &minus) : EB_NOT_TWO_VALUED;
  if (magnitude == EB_NOT_TWO_VALUED) return EB_NOT_TWO_VALUED;
  return fits(layer, magnitude, w.terms, minus, bias, factor) ? magnitude : EB_NOT_TWO_VALUED;
}

/* The signs of `count` weights, at most 32: bit i for weight i below the zero point. */
static uint32_t signs_of(const int8_t *w, int32_t count, int32_t zero_point) {
  uint32_t bits = 0;
  for (int32_t i = 0; i < count; i++) bits |= (uint32_t)(w[i] < zero_point) << i;
  return bits;
}

/* The signs of a channel, 32 inputs of a tap to a word, as EdgebnnConv2dW1A8 has them in the file. */
static void pack_channel(const channel *w, int32_t depth, uint32_t *words) {
  for (int32_t at = 0; at < w->terms; at += depth) {
    for (int32_t i = 0; i < depth; i += 32) {
      *words++ = signs_of(w->first + at + i, depth - i < 32 ? depth - i : 32, w->zero_point);
    }
  }
}

/* Those of a depthwise layer: 32 output channels of a tap to a word. */
static void pack_depthwise(const eb_w1a8 *layer, const eb_int8_weights *weights, uint32_t *words) {
  channel w = channel_of(layer, weights, 0);
  w.stride = 1;
  w.terms *= layer->channels_out;
  pack_channel(&w, layer->channels_out, words);
}

void eb_int8_pack_signs(const eb_w1a8 *layer, const eb_int8_weights *weights, int32_t *packed) {
  const int32_t depth = layer->channels_in / layer->groups;
  uint32_t *words = (uint32_t *)packed;
  if (layer->depthwise) {
    pack_depthwise(layer, weights, words);
    return;
  }
  for (int32_t c = 0; c < layer->channels_out; c++) {
    const channel w = channel_of(layer, weights, c);
    pack_channel(&w, depth, words + (size_t)c * (size_t)(w.terms / depth) * (size_t)eb_packed_words(depth));
  }
}

size_t eb_int8_sign_words(const eb_w1a8 *layer) {
  const size_t taps = (size_t)layer->window.filter_height * (size_t)layer->window.filter_width;
  if (layer->depthwise) return taps * (size_t)eb_packed_words(layer->channels_out);
  return taps * (size_t)layer->channels_out * (size_t)eb_packed_words(layer->channels_in / layer->groups);
}
