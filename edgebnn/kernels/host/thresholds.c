/* Finds the thresholds of thresholds.h by trying: in the order of floats, the first that the steps do not make negative; of int8
 * where the sign changes. */
#include "../core/thresholds.h"

#include "../core/float_bits.h"
#include "../core/numbers.h"

/* A number for each float but NaN, in their order, from that of minus infinity to that of infinity; -0 and 0 have two. */
static int64_t place_of(float x) {
  const uint32_t bits = eb_bits_of(x);
  return bits >> 31 ? -1 - (int64_t)(bits & 0x7fffffff) : (int64_t)bits;
}

static float at_place(int64_t place) {
  return eb_float_of(place < 0 ? (uint32_t)(-1 - place) | 0x80000000 : (uint32_t)place);
}

static float constant_of(const eb_step *step, int32_t channel) { return ((const float *)step->operand)[channel]; }

static int becomes_negative(const eb_output_steps *steps, int32_t channel, float x) {
  for (int32_t i = 0; i < steps->count; i++) {
    const float by = constant_of(&steps->step[i], channel);
    x = steps->step[i].kind == EB_STEP_MUL ? x * by : x + by;
  }
  return x < 0.0f;
}

/* Index of the last multiplication by 0, or -1: from there on it does not matter what came before. */
static int32_t last_zero(const eb_output_steps *steps, int32_t channel) {
  int32_t index = -1;
  for (int32_t i = 0; i < steps->count; i++) {
    if (steps->step[i].kind == EB_STEP_MUL && constant_of(&steps->step[i], channel) == 0.0f) index = i;
  }
  return index;
}

static int turns_round(const eb_output_steps *steps, int32_t channel) {
  int turned = 0;
  for (int32_t i = 0; i < steps->count; i++) {
    if (steps->step[i].kind == EB_STEP_MUL) turned ^= constant_of(&steps->step[i], channel) < 0.0f;
  }
  return turned;
}

/* The least x (of -x, if turned round) that does not become negative. */
static float first_not_negative(const eb_output_steps *steps, int32_t channel, int turned) {
  int64_t low = place_of(-eb_infinity()), high = place_of(eb_infinity());
  while (low < high) {
    const int64_t middle = low + ((high - low) >> 1);
    const float x = at_place(middle);
    if (becomes_negative(steps, channel, turned ? -x : x)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return at_place(low);
}

static int is_finite(float x) { return eb_abs(x) < eb_infinity(); }

static eb_status find(const eb_output_steps *steps, int32_t channel, const eb_thresholds *t) {
  for (int32_t i = 0; i < steps->count; i++) {
    if (!is_finite(constant_of(&steps->step[i], channel))) return EB_UNSUPPORTED;
  }
  const int32_t zero = last_zero(steps, channel);
  if (zero >= 0) {
    /* One sign for all but infinity, or for what becomes that before: times 0 it is not a number. */
    const int negative = becomes_negative(steps, channel, 0.0f);
    if (negative && zero > 0) return EB_UNSUPPORTED;
    t->keep[channel] = 0x7fffffff;
    t->limit[channel] = negative ? eb_infinity() : -eb_infinity();
    return EB_OK;
  }
  const int turned = turns_round(steps, channel);
  /* Past both infinities, since these become no number only by an infinite constant. */
  if (becomes_negative(steps, channel, turned ? -eb_infinity() : eb_infinity())) return EB_UNSUPPORTED;
  t->keep[channel] = UINT32_MAX;
  t->flip[channel] = turned ? 0x80000000 : 0;
  t->limit[channel] = first_not_negative(steps, channel, turned);
  return EB_OK;
}

eb_status eb_thresholds_find(const eb_output_steps *steps, int32_t channels, const eb_thresholds *found) {
  for (int32_t i = 0; i < steps->count; i++) {
    const eb_step *step = &steps->step[i];
    if ((step->kind != EB_STEP_MUL && step->kind != EB_STEP_ADD) || step->stride != 0) return EB_UNSUPPORTED;
  }
  for (int32_t c = 0; c < eb_packed_words(channels) * 32; c++) {
    found->keep[c] = UINT32_MAX;
    found->flip[c] = 0;
    found->limit[c] = -eb_infinity();
    if (c >= channels) continue;
    const eb_status status = find(steps, c, found);
    if (status != EB_OK) return status;
  }
  return EB_OK;
}

eb_status eb_int8_threshold_find(const uint8_t *negative, int8_t *limit, int32_t *turned) {
  int32_t changes = 0, at = 0;
  for (int32_t i = 1; i < 256; i++) {
    if (negative[i] == negative[i - 1]) continue;
    changes++;
    at = i;
  }
  if (changes > 1) return EB_UNSUPPORTED;
  /* Nothing is below -128: there all values are as the last one. */
  *limit = (int8_t)(at - 128);
  *turned = negative[255] != 0;
  return EB_OK;
}
