/* Finds the constants of int8_scale.h. On either side of the pivot, for each value x that becomes y,
 *   y * 2**shift <= x * factor + addend < (y + 1) * 2**shift,
 * the left side being dropped where y = low, the right one where y = high. Given the factor these bounds leave an interval of
 * addends, whose length is a concave function of the factor: climbing finds whether there is any. The scales themselves leave
 * one nearly always: rounding halves up and then away from zero is rounding down with one addend on each side of zero. */
#include "../core/int8_scale.h"
#include "../core/numbers.h"
#include "../core/requantize.h"
#include "../core/w1a8_block.h"

enum { LEAST = -128, MOST_SHIFT = 22, LEAST_SHIFT = 12 };
enum { MOST_MOVES = 64 };   /* of a climb */
enum { MOST_FACTOR = 128 }; /* products of two operands fit in 32 bits up to it; beyond, a step is half the output's range */

/* One op: what is scaled by which factor on either side of the pivot. */
typedef struct {
  int32_t pivot, second_zero_point, zero_point, low, high;
  int low_only; /* the second operand counts below the pivot alone, as PRELU's slopes do */
  double low_factor, high_factor;
} scaling;

typedef struct {
  int64_t least, greatest; /* none if the least is the greater one */
} addends;

/* Some neighbouring values, what they become, and the factor that does it, but for rounding. */
typedef struct {
  const int8_t *values; /* of all 256 */
  int32_t begin, end, low, high;
  double factor;
} side;

static int32_t scaled(int32_t x, eb_w1a8_fixed f) { return eb_requantize(x, f.multiplier, f.left - f.right); }

/* What the reference kernel gives for all values, with this one as the other operand. */
static void fill(const scaling *s, int32_t other, int8_t *values) {
  const eb_w1a8_fixed low = eb_w1a8_fix_point(s->low_factor), high = eb_w1a8_fix_point(s->high_factor);
  for (int32_t i = 0; i < EB_SCALE_VALUES; i++) {
    const int32_t x = i + LEAST - s->pivot;
    const int is_high = x >= 0;
    const int32_t product = x * (is_high && s->low_only ? 1 : other);
    values[i] = (int8_t)eb_clamp(scaled(product, is_high ? high : low) + s->zero_point, s->low, s->high);
  }
}

static int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }

/* Those that nothing makes leave 32 bits. */
static addends addends_of(const side *s, int64_t factor, int32_t shift) {
  const int64_t room = INT32_MAX - 128 * magnitude(factor), one = (int64_t)1 << shift;
  addends found = {-room, room};
  for (int64_t x = s->begin; x < s->end; x++) {
    const int64_t y = s->values[x - LEAST], floor = y * one - x * factor, ceiling = floor + one - 1;
    if (y > s->low && floor > found.least) found.least = floor;
    if (y < s->high && ceiling < found.greatest) found.greatest = ceiling;
  }
  return found;
}

static int64_t gap_of(addends a) { return a.greatest - a.least; }

/* Moves to a factor that leaves some addend, or else about the most. Returns the addends. */
static addends climb(const side *s, int32_t shift, int64_t *factor) {
  addends here = addends_of(s, *factor, shift);
  int64_t step = (int64_t)1 << (shift - LEAST_SHIFT);
  for (int move = 0; gap_of(here) < 0 && step > 0 && move < MOST_MOVES; move++) {
    const addends below = addends_of(s, *factor - step, shift), above = addends_of(s, *factor + step, shift);
    const int falls = gap_of(below) > gap_of(above);
    const addends best = falls ? below : above;
    if (gap_of(best) <= gap_of(here)) {
      step /= 2;
    } else {
      *factor += falls ? -step : step;
      here = best;
    }
  }
  return here;
}

/* Constants of one side. */
static int find_side(const side *s, int32_t shift, int32_t *factor, int32_t *addend) {
  const double exact = s->factor * (double)((int64_t)1 << shift);
  if (!(exact > -(INT32_MAX / 128) && exact < INT32_MAX / 128)) return 0;
  int64_t at = (int64_t)(exact < 0 ? exact - 0.5 : exact + 0.5);
  const addends found = climb(s, shift, &at);
  if (gap_of(found) < 0) return 0;
  *factor = (int32_t)at;
  *addend = (int32_t)(found.least + gap_of(found) / 2);
  return 1;
}

/* Of one value of the other operand. */
static int find_value(const scaling *s, int32_t value, int32_t shift, int32_t *table) {
  const int32_t other = value - s->second_zero_point;
  int32_t *at = table + (value - LEAST);
  int8_t values[EB_SCALE_VALUES];
  fill(s, other, values);
  const side low = {values, LEAST, s->pivot, s->low, s->high, s->low_factor * other};
  const side high = {values, s->pivot, LEAST + EB_SCALE_VALUES, s->low, s->high, s->high_factor * (s->low_only ? 1 : other)};
  at[EB_SCALE_PIVOT * EB_SCALE_VALUES] = s->pivot;
  return find_side(&low, shift, at + EB_SCALE_LOW_FACTOR * EB_SCALE_VALUES, at + EB_SCALE_LOW_ADDEND * EB_SCALE_VALUES) &&
         find_side(&high, shift, at + EB_SCALE_HIGH_FACTOR * EB_SCALE_VALUES, at + EB_SCALE_HIGH_ADDEND * EB_SCALE_VALUES);
}

/* occurs: of each value of the other operand, whether it does. */
static eb_status find(const scaling *s, const uint8_t *occurs, eb_int8_scale *scale, int32_t *table) {
  if (!(s->low_factor <= MOST_FACTOR && s->high_factor <= MOST_FACTOR)) return EB_UNSUPPORTED;
  memset(table, 0, EB_SCALE_TABLE * sizeof *table);
  for (int32_t shift = MOST_SHIFT; shift >= LEAST_SHIFT; shift--) {
    int32_t i = 0;
    while (i < EB_SCALE_VALUES && (!occurs[i] || find_value(s, i + LEAST, shift, table))) i++;
    if (i < EB_SCALE_VALUES) continue;
    *scale = (eb_int8_scale){.shift = shift, .low = s->low, .high = s->high};
    return EB_OK;
  }
  return EB_UNSUPPORTED;
}

static int are_quantizations(eb_int8_quantization a, eb_int8_quantization b, eb_int8_quantization c) {
  return eb_is_scale(a.scale) && eb_is_scale(b.scale) && eb_is_scale(c.scale) && eb_is_zero_point(a.zero_point) &&
         eb_is_zero_point(b.zero_point) && eb_is_zero_point(c.zero_point);
}

/* Factors are computed in float, as TFLite does. */
eb_status eb_int8_prelu_find(eb_int8_quantization input, eb_int8_quantization slope, eb_int8_quantization output,
                             const int8_t *slopes, int32_t count, eb_int8_scale *scale, int32_t *table) {
  if (!are_quantizations(input, slope, output)) return EB_BAD_QUANTIZATION;
  uint8_t occurs[EB_SCALE_VALUES] = {0};
  for (int32_t i = 0; i < count; i++) occurs[slopes[i] - LEAST] = 1;
  const scaling s = {.pivot = input.zero_point,
                     .second_zero_point = slope.zero_point,
                     .zero_point = output.zero_point,
                     .low = -128,
                     .high = 127,
                     .low_only = 1,
                     .low_factor = (double)(input.scale * slope.scale / output.scale),
                     .high_factor = (double)(input.scale / output.scale)};
  return find(&s, occurs, scale, table);
}

eb_status eb_int8_mul_find(eb_int8_quantization first, eb_int8_quantization second, eb_int8_quantization output,
                           int32_t low, int32_t high, eb_int8_scale *scale, int32_t *table) {
  if (!are_quantizations(first, second, output)) return EB_BAD_QUANTIZATION;
  if (low < -128 || high > 127 || low > high) return EB_BAD_OPTION;
  uint8_t occurs[EB_SCALE_VALUES];
  memset(occurs, 1, sizeof occurs);
  const double factor = (double)(first.scale * second.scale / output.scale);
  const scaling s = {.pivot = first.zero_point,
                     .second_zero_point = second.zero_point,
                     .zero_point = output.zero_point,
                     .low = low,
                     .high = high,
                     .low_factor = factor,
                     .high_factor = factor};
  return find(&s, occurs, scale, table);
}

void eb_int8_scale_look_up(const int32_t *table, const int8_t *values, int32_t channels, int32_t *constants) {
  for (int32_t c = 0; c < channels; c++) {
    for (int32_t p = 0; p < EB_SCALE_PLANES; p++) {
      constants[(size_t)p * (size_t)channels + (size_t)c] = table[p * EB_SCALE_VALUES + (values[c] - LEAST)];
    }
  }
}
