/* Finds the factors of int8_sum.h. For each pair of values with the sum y
 *   y * 2**shift <= a * first_factor + b * second_factor + addend < (y + 1) * 2**shift,
 * the left side being dropped where y = low, the right one where y = high. Given both factors these bounds leave an
 * interval of addends, whose length is a concave function of the factors: climbing finds whether there is any. The scales
 * themselves leave one nearly always. The same in Python is edgebnn/arithmetic/linear_sum.py. */
#include "../core/int8_sum.h"
#include "../core/numbers.h"
#include "../core/requantize.h"
#include "../core/w1a8_block.h"

enum { VALUES = 256, HEADROOM = 20, MOST_SHIFT = 27, LEAST_SHIFT = 12 };
enum { MOST_MOVES = 64 }; /* of a climb: those that arrive take fewer by far, and files may hold any scales */

typedef struct {
  const int8_t *values; /* [first][second] */
  int32_t low, high;
} sums;

typedef struct {
  int64_t first, second;
} factors;

typedef struct {
  int64_t least, greatest; /* none if the least is the greater one */
} addends;

static int32_t scaled(int32_t x, double factor) {
  const eb_w1a8_fixed f = eb_w1a8_fix_point(factor);
  return eb_requantize(x, f.multiplier, f.left - f.right);
}

/* What the reference kernel gives. */
static void fill(eb_int8_quantization first, eb_int8_quantization second, eb_int8_quantization output, int32_t low,
                 int32_t high, int8_t *values) {
  const double a = (double)first.scale, b = (double)second.scale, twice = 2 * (a > b ? a : b);
  int32_t x[VALUES], y[VALUES];
  for (int32_t i = 0; i < VALUES; i++) {
    x[i] = scaled((i - 128 - first.zero_point) * (1 << HEADROOM), a / twice);
    y[i] = scaled((i - 128 - second.zero_point) * (1 << HEADROOM), b / twice);
  }
  const double factor = twice / ((1 << HEADROOM) * (double)output.scale);
  for (int32_t i = 0; i < VALUES * VALUES; i++) {
    const int64_t sum = (int64_t)scaled(x[i / VALUES] + y[i % VALUES], factor) + output.zero_point;
    values[i] = (int8_t)(sum < low ? low : sum > high ? high : sum);
  }
}

static addends addends_of(const sums *s, factors f, int32_t shift) {
  addends found = {INT64_MIN, INT64_MAX};
  const int8_t *value = s->values;
  for (int64_t a = -128; a < 128; a++) {
    for (int64_t b = -128; b < 128; b++) {
      const int64_t y = *value++, floor = y * ((int64_t)1 << shift) - a * f.first - b * f.second;
      const int64_t ceiling = floor + ((int64_t)1 << shift) - 1;
      if (y > s->low && floor > found.least) found.least = floor;
      if (y < s->high && ceiling < found.greatest) found.greatest = ceiling;
    }
  }
  const int64_t far = (int64_t)1 << 40; /* where nothing bounds */
  if (found.least < -far) found.least = -far;
  if (found.greatest > far) found.greatest = far;
  return found;
}

static int64_t gap_of(addends a) { return a.greatest - a.least; }

/* Moves to factors that leave some addend, or else about the most. Returns the addends. */
static addends climb(const sums *s, int32_t shift, factors *at) {
  addends here = addends_of(s, *at, shift);
  int64_t step = (int64_t)1 << (shift - LEAST_SHIFT);
  for (int move = 0; gap_of(here) < 0 && step > 0 && move < MOST_MOVES; move++) {
    factors best = *at;
    addends widest = here;
    for (int i = 0; i < 9; i++) {
      const factors moved = {at->first + step * (i / 3 - 1), at->second + step * (i % 3 - 1)};
      const addends there = addends_of(s, moved, shift);
      if (gap_of(there) > gap_of(widest)) widest = there, best = moved;
    }
    if (gap_of(widest) == gap_of(here)) step /= 2;
    here = widest;
    *at = best;
  }
  return here;
}

static int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }

/* Nothing leaves 32 bits. */
static int fits(factors f, int64_t addend) {
  return 128 * (magnitude(f.first) + magnitude(f.second)) + magnitude(addend) <= INT32_MAX;
}

static int64_t nearest(double x) { return (int64_t)(x + 0.5); }

eb_status eb_int8_sum_find(eb_int8_quantization first, eb_int8_quantization second, eb_int8_quantization output,
                           int32_t low, int32_t high, eb_int8_sum *sum) {
  const eb_int8_quantization all[] = {first, second, output};
  for (int i = 0; i < 3; i++) {
    if (!eb_is_scale(all[i].scale) || !eb_is_zero_point(all[i].zero_point)) return EB_BAD_QUANTIZATION;
  }
  const double a = (double)first.scale / (double)output.scale, b = (double)second.scale / (double)output.scale;
  if (low < -128 || high > 127 || low > high) return EB_BAD_OPTION;
  if (a > 128 || b > 128) return EB_UNSUPPORTED; /* a step of an operand is beyond the output's whole range */
  int8_t values[VALUES * VALUES];
  fill(first, second, output, low, high, values);
  const sums s = {values, low, high};
  for (int32_t shift = MOST_SHIFT; shift >= LEAST_SHIFT; shift--) {
    factors f = {nearest(a * (1 << shift)), nearest(b * (1 << shift))};
    if (!fits(f, 0)) continue;
    const addends found = climb(&s, shift, &f);
    const int64_t gap = gap_of(found);
    if (gap < -((int64_t)1 << shift)) return EB_UNSUPPORTED; /* coarser factors cannot mend what is far off */
    if (gap < 0) continue;
    const int64_t addend = found.least + gap / 2;
    if (!fits(f, addend)) continue;
    *sum = (eb_int8_sum){(int32_t)f.first, (int32_t)f.second, (int32_t)addend, shift, low, high};
    return EB_OK;
  }
  return EB_UNSUPPORTED;
}
